package view

import (
	"slices"

	"github.com/meshwright/meshwright/internal/mesh"
)

// exported says who may see an object by its exportTo: everybody, or the
// namespaces that are returned, sorted.
func exported(exportTo []string, owner string) (public bool, namespaces []string) {
	if len(exportTo) == 0 {
		return true, nil
	}
	for _, e := range exportTo {
		switch e {
		case "*":
			return true, nil
		case ".":
			namespaces = append(namespaces, owner)
		case "~":
		default:
			namespaces = append(namespaces, e)
		}
	}
	slices.Sort(namespaces)
	return false, slices.Compact(namespaces)
}

// visible reports whether the proxy may see an object of the namespace owner.
func visible(r mesh.Reader, exportTo []string, owner string) bool {
	public, namespaces := exported(exportTo, owner)
	if public {
		return true
	}
	return len(namespaces) > 0 && r.Among(mesh.Fact{Kind: mesh.FactNamespace}, namespaces) != ""
}

// overlap reports whether some namespace may see both objects.
func overlap(a, b *mesh.VirtualService) bool {
	aPublic, aIn := exported(a.ExportTo, a.Namespace)
	bPublic, bIn := exported(b.ExportTo, b.Namespace)
	switch {
	case aPublic && bPublic:
		return true
	case aPublic:
		return len(bIn) > 0
	case bPublic:
		return len(aIn) > 0
	}
	return slices.ContainsFunc(aIn, func(n string) bool { return slices.Contains(bIn, n) })
}
