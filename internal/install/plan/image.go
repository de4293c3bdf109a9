package plan

import "strings"

// DefaultImage is the image of a version where the operator was given none.
func DefaultImage(version string) string { return "docker.io/meshwright/meshwright:" + version }

// Image is the image of a version. lookup is os.LookupEnv, or like it: the
// variable that ImageVariable names has the image, with its digest, as the
// release that carries the version has it.
func Image(version string, lookup func(string) (string, bool)) string {
	if image, ok := lookup(ImageVariable(version)); ok && image != "" {
		return image
	}
	return DefaultImage(version)
}

// ImageVariable is the name of the environment variable with the image of a
// version, as OLM has it: RELATED_IMAGE_MESHWRIGHT_V0_1_0.
func ImageVariable(version string) string {
	return "RELATED_IMAGE_MESHWRIGHT_" + strings.ToUpper(strings.ReplaceAll(version, ".", "_"))
}

// fromRegistry puts a registry into an image's name, in the place of its own.
// The rest stays, the digest too. No registry changes nothing.
func fromRegistry(image, registry string) string {
	if registry == "" {
		return image
	}
	// As container engines have it: the first part is a registry if it looks
	// like a host.
	host, rest, found := strings.Cut(image, "/")
	if !found || !strings.ContainsAny(host, ".:") && host != "localhost" {
		rest = image
	}
	return registry + "/" + rest
}
