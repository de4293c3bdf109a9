package bundlecheck

import (
	"fmt"
	"slices"
)

// Severity of a finding.
type Severity string

// An Error keeps a bundle out of a catalogue; a Warning is remarked on.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Finding is something wrong with a bundle.
type Finding struct {
	Severity Severity
	// Check is the name of the rule.
	Check   string
	Message string
}

// String is the finding on one line.
func (f Finding) String() string { return fmt.Sprintf("%s: %s: %s", f.Severity, f.Check, f.Message) }

// A check says what is wrong, one message each, or nothing.
type check struct {
	name     string
	severity Severity
	find     func(*Bundle) messages
}

// checks are the rules, in the order in which a reader meets the files.
var checks = []check{
	{"filesArePresent", Error, filesArePresent},
	{"manifestsArePlainFiles", Error, manifestsArePlainFiles},
	{"oneObjectPerFile", Error, oneObjectPerFile},
	{"exactlyOneCSV", Error, exactlyOneCSV},
	{"kindsAreSupported", Error, kindsAreSupported},
	{"accountsAreOLMs", Error, accountsAreOLMs},
	{"sizeFitsACluster", Error, sizeFitsACluster},
	{"sizeIsSmall", Warning, sizeIsSmall},

	{"annotationsAreComplete", Error, annotationsAreComplete},
	{"dockerfileRepeatsAnnotations", Error, dockerfileRepeatsAnnotations},
	{"channelsAreNamedByRisk", Warning, channelsAreNamedByRisk},
	{"scorecardHasAllTests", Error, scorecardHasAllTests},

	{"nameHasTheVersion", Error, nameHasTheVersion},
	{"csvAnnotationsAreValid", Error, csvAnnotationsAreValid},
	{"featuresAreDeclared", Error, featuresAreDeclared},
	{"disconnectedOnlyWithDigests", Error, disconnectedOnlyWithDigests},
	{"propertiesAreInTheirFile", Warning, propertiesAreInTheirFile},
	{"platformsAgree", Error, platformsAgree},
	{"listingIsComplete", Error, listingIsComplete},
	{"descriptionHasItsSections", Error, descriptionHasItsSections},
	{"iconIsAPicture", Error, iconIsAPicture},
	{"minKubeVersionIsSet", Warning, minKubeVersionIsSet},
	{"installModesAreComplete", Error, installModesAreComplete},

	{"deploymentsAreHardened", Error, deploymentsAreHardened},
	{"deploymentsRequestResources", Warning, deploymentsRequestResources},
	{"deploymentIsThatOfConfig", Error, deploymentIsThatOfConfig},
	{"rightsAreTheGeneratedOnes", Error, rightsAreTheGeneratedOnes},
	{"rightsAreLeast", Error, rightsAreLeast},
	{"noRightToMakeCRDs", Warning, noRightToMakeCRDs},
	{"webhooksAreComplete", Error, webhooksAreComplete},

	{"ownedAreTheCRDs", Error, ownedAreTheCRDs},
	{"ownedAreDescribed", Warning, ownedAreDescribed},
	{"internalKindsAreNamed", Error, internalKindsAreNamed},
	{"crdsAreSound", Error, crdsAreSound},
	{"examplesAreValid", Error, examplesAreValid},
	{"everyVersionHasAnExample", Warning, everyVersionHasAnExample},
	{"noRemovedAPIs", Error, noRemovedAPIs},

	{"scorecard basic-check-spec", Error, examplesHaveASpec},
	{"scorecard olm-crds-have-validation", Error, crdsHaveValidation},
	{"scorecard olm-crds-have-resources", Error, crdsHaveResources},
	{"scorecard olm-spec-descriptors", Error, specsAreDescribed},
	{"scorecard olm-status-descriptors", Error, statusesAreDescribed},

	{"imagesAreReferences", Error, imagesAreReferences},
	{"imagesAreThoseOfTheCatalogue", Error, imagesAreThoseOfTheCatalogue},
	{"imagesAreThoseOfTheCharts", Error, imagesAreThoseOfTheCharts},
	{"upgradeGraphHasNoHoles", Error, upgradeGraphHasNoHoles},
	{"catalogueIsMapped", Error, catalogueIsMapped},
}

// Check finds all that is wrong with a bundle.
func Check(b *Bundle) []Finding {
	var out []Finding
	for _, c := range checks {
		found := c.find(b)
		slices.Sort(found) // Files and fields are looked at in any order.
		for _, message := range found {
			out = append(out, Finding{c.severity, c.name, message})
		}
	}
	return out
}

// messages collects what a check says.
type messages []string

func (m *messages) add(format string, args ...any) { *m = append(*m, fmt.Sprintf(format, args...)) }

// want adds a message when a condition does not hold.
func (m *messages) want(ok bool, format string, args ...any) {
	if !ok {
		m.add(format, args...)
	}
}
