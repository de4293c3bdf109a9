package mesh

import "reflect"

// KindProblems is the derived kind that holds what is wrong with an object in
// the light of the others (a host that does not exist, an older object that
// claims the same). Its keys are Problems/namespace/<kind>/<name>.
const KindProblems Kind = "Problems"

// ProblemsKey is the key of the derived Problems of an object.
func ProblemsKey(object Key) Key {
	return Key{Kind: KindProblems, Namespace: object.Namespace, Name: string(object.Kind) + "/" + object.Name}
}

// Problem is a user's mistake. It is a value, not an error: the object alone is
// refused or served in part, the rest goes on, and status tells the user.
type Problem struct {
	// Object is the user's object.
	Object Key
	// Reason is one CamelCase word for the condition.
	Reason string
	// Field is the path in the object, as spec.http[0].match[1].uri.regex.
	Field string
	// Message says what is wrong and what to do.
	Message string
	// Refused: the object has no effect at all. Else the rest of it is served.
	Refused bool
	// Unserved: the field or kind is right, but not served by this version.
	Unserved bool
}

// Problems is the value of KindProblems. Never empty.
type Problems struct {
	Generation int64
	List       []Problem
}

// Equal implements Value.
func (p *Problems) Equal(o Value) bool { return reflect.DeepEqual(Value(p), o) }

// Condition is one entry of status.conditions of a user's object, as it is or
// as it should be.
type Condition struct {
	Type               string
	Status             string // True or False
	Reason             string
	Message            string
	ObservedGeneration int64
}
