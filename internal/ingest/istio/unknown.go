package istio

import (
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/meshwright/meshwright/internal/mesh"
)

// gone maps fields that older versions of the API had to what replaced them.
var gone = map[protoreflect.FullName]map[string]string{
	"istio.networking.v1alpha3.HTTPFaultInjection.Abort": {"percent": "percentage.value"},
	"istio.networking.v1alpha3.HTTPRoute": {
		"appendHeaders":         "headers.request.add",
		"removeRequestHeaders":  "headers.request.remove",
		"appendRequestHeaders":  "headers.request.add",
		"appendResponseHeaders": "headers.response.add",
		"removeResponseHeaders": "headers.response.remove",
	},
	"istio.networking.v1alpha3.PortSelector": {"name": "number"},
}

// unknownField is the Problem of a field that the API does not have. A live
// object never has one, because the API server drops it unless it was asked to
// be strict; so the user's file looks right and does something else.
func unknownField(at *field.Path, name string, md protoreflect.MessageDescriptor) mesh.Problem {
	message := fmt.Sprintf("%s has no such field, the API server drops it", md.Name())
	if hint := meant(name, md); hint != "" {
		message += fmt.Sprintf("; did you mean %s?", hint)
	} else {
		message += "; remove it, or look at its indentation"
	}
	return mesh.Problem{Reason: ReasonUnknownField, Field: at.String(), Message: message}
}

// meant guesses the right place of an unknown name: its successor, another
// spelling, or the same name one or two levels below.
func meant(name string, md protoreflect.MessageDescriptor) string {
	if successor := gone[md.FullName()][name]; successor != "" {
		return successor
	}
	for i := range md.Fields().Len() {
		if fd := md.Fields().Get(i); letters(fd.JSONName()) == letters(name) {
			return fd.JSONName()
		}
	}
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if fd.Kind() != protoreflect.MessageKind || fd.IsMap() {
			continue
		}
		if fd.Message().Fields().ByJSONName(name) != nil {
			if fd.IsList() {
				return fd.JSONName() + "[]." + name
			}
			return fd.JSONName() + "." + name
		}
	}
	return ""
}
