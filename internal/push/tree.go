package push

import (
	"errors"

	"github.com/meshwright/meshwright/internal/mesh"
	"github.com/meshwright/meshwright/internal/translate/resource"
	"github.com/meshwright/meshwright/internal/xds/cache"
)

// errUnrecorded: a build found another question than the tree holds at that
// place. Within one state of the mesh the next question of a pure function is
// fixed by the answers so far, so it read something past the reader.
var errUnrecorded = errors.New("the questions differ from an earlier build: a read was not recorded")

// leaf is a resource as built for the proxies that answer alike.
type leaf struct {
	computation
	cell *cell
	// at is its place in the cell's tree, nil once it was pruned.
	at *node
	// res is nil if these proxies do not have the name.
	res  *cache.Resource
	refs []resource.Name
	// holders counts the classes whose list holds it.
	holders int
}

// version is "" for a name that these proxies do not have.
func (l *leaf) version() string {
	if l == nil || l.res == nil {
		return ""
	}
	return l.res.Version
}

// node is a question with children by answer, or a leaf.
type node struct {
	parent   *node
	got      string
	question question
	children map[string]*node
	leaf     *leaf
}

// find walks to the leaf of a proxy with these facts, nil if it is not built.
func (c *cell) find(f mesh.Facts) *leaf {
	n := c.root
	for n != nil && n.leaf == nil {
		n = n.children[n.question.answer(f)]
	}
	if n == nil {
		return nil
	}
	return n.leaf
}

// insert puts a leaf where the answers lead.
func (c *cell) insert(path []asked, l *leaf) error {
	if c.root == nil {
		c.root = newNode(path, 0)
	}
	n := c.root
	for i, a := range path {
		if n.leaf != nil || !n.question.equal(a.question) {
			return errUnrecorded
		}
		next := n.children[a.got]
		if next == nil {
			next = newNode(path, i+1)
			next.parent, next.got = n, a.got
			n.children[a.got] = next
		}
		n = next
	}
	if n.leaf != nil || n.children != nil {
		return errUnrecorded
	}
	n.leaf, l.at = l, n
	return nil
}

// newNode is the node after i answers: the next question, or room for a leaf.
func newNode(path []asked, i int) *node {
	if i == len(path) {
		return &node{}
	}
	return &node{question: path[i].question, children: map[string]*node{}}
}

// prune takes a leaf out of its tree, and the questions that lead nowhere then.
func (c *cell) prune(l *leaf) {
	n := l.at
	if n == nil {
		return
	}
	l.at = nil
	for n.parent != nil {
		up := n.parent
		delete(up.children, n.got)
		if len(up.children) > 0 {
			return
		}
		n = up
	}
	if c.root == n {
		c.root = nil
	}
}
