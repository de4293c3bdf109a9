package cmd

import (
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// redacted stands for what was taken out.
const redacted = "REDACTED"

var (
	// secretName is how fields and variables are named that hold a secret.
	secretName = regexp.MustCompile(`(?i)(passw(or)?d|passphrase|token|api_?key|private_?key|secret_?key|credentials?|authorization)$`)
	// Keys and tokens in text, wherever they stand. A key may be in one line,
	// as JSON has it, and its end may be missing.
	privateKey = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)`)
	bearer     = regexp.MustCompile(`(?i)(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}`)
	webToken   = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*`)
	// encodedKey is the beginning of a private key in base64.
	encodedKey = regexp.MustCompile(`LS0tLS1CRUdJTi[A-Za-z0-9+/]*(UFJJVkFURSBLRV|BSSVZBVEUgS0VZ|QUklWQVRFIEtFW)[A-Za-z0-9+/=]*`)
)

// redactText takes keys and tokens out of any text.
func redactText(text []byte) []byte {
	for _, pattern := range []*regexp.Regexp{privateKey, encodedKey, bearer, webToken} {
		text = pattern.ReplaceAll(text, []byte(redacted))
	}
	return text
}

// redactObject takes out what is named like a secret, and what only repeats
// the object. Text within its fields is redactText's.
func redactObject(o *unstructured.Unstructured) {
	o.SetManagedFields(nil)
	annotations := o.GetAnnotations()
	delete(annotations, "kubectl.kubernetes.io/last-applied-configuration")
	o.SetAnnotations(annotations)
	redactFields(o.Object)
}

func redactFields(value any) {
	switch v := value.(type) {
	case map[string]any:
		// A variable of a container: its name tells what its value is.
		if name, ok := v["name"].(string); ok && secretName.MatchString(name) {
			if _, ok := v["value"].(string); ok {
				v["value"] = redacted
			}
		}
		for key, field := range v {
			text, isText := field.(string)
			if isText && secretName.MatchString(key) {
				v[key] = redacted
				continue
			}
			// YAML within a field, as ConfigMaps have it, is looked at by lines.
			if isText && strings.Contains(text, "\n") {
				v[key] = redactLines(text)
				continue
			}
			redactFields(field)
		}
	case []any:
		for _, item := range v {
			redactFields(item)
		}
	}
}

var assignment = regexp.MustCompile(`(?m)^(\s*"?([A-Za-z0-9_.-]+)"?\s*[:=]\s*)(\S.*)$`)

// redactLines takes out the values of lines such as "password: x".
func redactLines(text string) string {
	return assignment.ReplaceAllStringFunc(text, func(found string) string {
		parts := assignment.FindStringSubmatch(found)
		if secretName.MatchString(parts[2]) {
			return parts[1] + redacted
		}
		return found
	})
}
