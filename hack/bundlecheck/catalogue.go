package bundlecheck

import (
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

const (
	templateFile = "catalog-templates/basic.yaml"
	ciFile       = "ci.yaml"
	releaseFile  = "release-config.yaml"
	templateKind = "olm.template.basic"
)

// template is a basic template of a file-based catalogue.
type template struct {
	Schema  string  `json:"schema"`
	Entries []entry `json:"entries"`
}

// entry is a package, a channel or a bundle, by its schema.
type entry struct {
	Schema         string         `json:"schema"`
	Name           string         `json:"name,omitempty"`
	Package        string         `json:"package,omitempty"`
	DefaultChannel string         `json:"defaultChannel,omitempty"`
	Image          string         `json:"image,omitempty"`
	Entries        []channelEntry `json:"entries,omitempty"`
}

// channelEntry is a version's place in the graph of upgrades.
type channelEntry struct {
	Name     string   `json:"name"`
	Replaces string   `json:"replaces,omitempty"`
	Skips    []string `json:"skips,omitempty"`
}

func (b *Bundle) template() (t template, err error) {
	err = yaml.Unmarshal(b.files[templateFile], &t)
	return t, err
}

// upgradeGraphHasNoHoles: each channel of the bundle has it at the head, and
// each version in a channel comes to the head by itself.
func upgradeGraphHasNoHoles(b *Bundle) (m messages) {
	t, err := b.template()
	m.want(err == nil && t.Schema == templateKind, "%s is no %s: %v", templateFile, templateKind, err)
	name, csv := b.annotations[prefix+"bundle.package.v1"], b.csv()
	var channels []string
	for _, e := range t.Entries {
		switch e.Schema {
		case "olm.package":
			m.want(e.Name == name, "the template is of package %q", e.Name)
			m.want(e.DefaultChannel == b.annotations[prefix+"bundle.channel.default.v1"], "the template's default channel is %q", e.DefaultChannel)
		case "olm.channel":
			m.want(e.Package == name, "channel %s is of package %q", e.Name, e.Package)
			channels = append(channels, e.Name)
			m = append(m, holes(e, csv)...)
		case "olm.bundle":
			m.want(isImage(e.Image), "bundle image %q is no image", e.Image)
		default:
			m.add("%s has an entry of schema %q", templateFile, e.Schema)
		}
	}
	for _, channel := range b.channels() {
		m.want(slices.Contains(channels, channel), "channel %q is not in %s", channel, templateFile)
	}
	return m
}

// holes are the faults of one channel's graph.
func holes(channel entry, csv *CSV) (m messages) {
	// version -> one that replaces or skips it; version -> the one it replaces
	next, before := map[string]string{}, map[string]string{}
	known := map[string]bool{}
	for _, e := range channel.Entries {
		m.want(!known[e.Name], "channel %s has %s twice", channel.Name, e.Name)
		known[e.Name], before[e.Name] = true, e.Replaces
		for _, from := range append(slices.Clone(e.Skips), e.Replaces) {
			if from != "" {
				next[from] = e.Name
			}
		}
		m.want(e.Name != csv.Metadata.Name || e.Replaces == csv.Spec.Replaces && slices.Equal(e.Skips, csv.Spec.Skips),
			"channel %s and the CSV differ in what %s replaces", channel.Name, e.Name)
	}
	for from := range next {
		m.want(known[from], "channel %s replaces %s, which is not in it", channel.Name, from)
	}
	for _, e := range channel.Entries {
		head, ends := follow(next, e.Name)
		m.want(ends && head == csv.Metadata.Name, "from %s channel %s does not lead to %s", e.Name, channel.Name, csv.Metadata.Name)
		_, ends = follow(before, e.Name)
		m.want(ends, "in channel %s %s replaces itself in the end", channel.Name, e.Name)
	}
	return m
}

// follow goes along the edges from a version as far as they lead. It does not
// end when they lead in a circle.
func follow(edges map[string]string, from string) (last string, ends bool) {
	for range len(edges) + 1 {
		if edges[from] == "" {
			return from, true
		}
		from = edges[from]
	}
	return from, false
}

// ci is what the catalogues' pipelines read of an operator.
type ci struct {
	FBC struct {
		Enabled bool `json:"enabled"`
		Mapping []struct {
			Template string   `json:"template_name"`
			Catalogs []string `json:"catalog_names"`
			Type     string   `json:"type"`
		} `json:"catalog_mapping"`
	} `json:"fbc"`
}

func (b *Bundle) ci() (c ci, err error) {
	err = yaml.Unmarshal(b.files[ciFile], &c)
	return c, err
}

// fileBased reports whether the catalogue is made from the template.
func (b *Bundle) fileBased() bool {
	c, err := b.ci()
	return err == nil && c.FBC.Enabled
}

func catalogueIsMapped(b *Bundle) (m messages) {
	c, err := b.ci()
	m.want(err == nil && c.FBC.Enabled && len(c.FBC.Mapping) > 0, "%s does not ask for a file-based catalogue: %v", ciFile, err)
	for _, mapping := range c.FBC.Mapping {
		m.want("catalog-templates/"+mapping.Template == templateFile, "%s names the template %q", ciFile, mapping.Template)
		m.want(mapping.Type == templateKind && len(mapping.Catalogs) > 0, "%s maps %q, a %q, to %v", ciFile, mapping.Template, mapping.Type, mapping.Catalogs)
	}
	var release struct {
		Templates []struct {
			Name     string   `json:"template_name"`
			Channels []string `json:"channels"`
			Replaces string   `json:"replaces"`
		} `json:"catalog_templates"`
	}
	err = yaml.Unmarshal(b.files[releaseFile], &release)
	m.want(err == nil && len(release.Templates) > 0, "%s names no template: %v", releaseFile, err)
	for _, t := range release.Templates {
		m.want("catalog-templates/"+t.Name == templateFile, "%s names the template %q", releaseFile, t.Name)
		m.want(strings.Join(t.Channels, ",") == strings.Join(b.channels(), ","), "%s releases to %v, the bundle is for %v", releaseFile, t.Channels, b.channels())
		m.want(t.Replaces == b.csv().Spec.Replaces, "%s replaces %q, the CSV %q", releaseFile, t.Replaces, b.csv().Spec.Replaces)
	}
	return m
}
