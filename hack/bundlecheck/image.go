package bundlecheck

import (
	"regexp"
	"slices"
	"strings"
)

// image is host/path with a tag, a digest or both.
var image = regexp.MustCompile(`^[a-z0-9.-]+\.[a-z]+(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?$`)

func isImage(s string) bool {
	return image.MatchString(s) && (strings.Contains(s, "@") || strings.Contains(s[strings.LastIndex(s, "/"):], ":"))
}

func imagesAreReferences(b *Bundle) (m messages) {
	m.want(len(b.csv().Spec.RelatedImages) > 0, "relatedImages is empty")
	for _, i := range b.csv().Spec.RelatedImages {
		m.want(i.Name != "" && isImage(i.Image), "related image %q is %q", i.Name, i.Image)
	}
	return m
}

// relatedPrefix begins the names of variables that hold an operand's image.
const relatedPrefix = "RELATED_IMAGE_"

func imagesAreThoseOfTheCatalogue(b *Bundle) (m messages) {
	variables := map[string]string{}
	for name, c := range b.containers() {
		m.want(b.related(c.Image), "container %s runs %s, which is not in relatedImages", name, c.Image)
		for _, e := range c.Env {
			if strings.HasPrefix(e.Name, relatedPrefix) {
				variables[e.Name] = e.Value
			}
		}
	}
	for name, want := range b.Expected.Images {
		m.want(variables[name] == want, "%s is %q, the catalogue says %q", name, variables[name], want)
	}
	for name, value := range variables {
		m.want(b.Expected.Images[name] != "", "%s is of no version in the catalogue", name)
		m.want(b.related(value), "%s is %s, which is not in relatedImages", name, value)
	}
	for _, i := range b.csv().Spec.RelatedImages {
		used := i.Image == b.csv().Metadata.Annotations["containerImage"]
		for _, value := range variables {
			used = used || i.Image == value
		}
		m.want(used, "related image %s is run by nobody", i.Image)
	}
	return m
}

// related reports whether relatedImages has an image.
func (b *Bundle) related(image string) bool {
	return slices.ContainsFunc(b.csv().Spec.RelatedImages, func(i RelatedImage) bool { return i.Image == image })
}

func imagesAreThoseOfTheCharts(b *Bundle) (m messages) {
	m.want(len(b.Expected.ChartImages) > 0, "the charts run no image")
	for _, i := range b.Expected.ChartImages {
		m.want(b.related(i), "the charts run %s, which is not in relatedImages", i)
	}
	for _, i := range b.csv().Spec.RelatedImages {
		m.want(slices.Contains(b.Expected.ChartImages, i.Image), "related image %s is in no chart", i.Image)
	}
	return m
}
