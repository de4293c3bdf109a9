package node

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"regexp"

	"github.com/meshwright/meshwright/internal/test/assets"
)

var validName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)

// Cluster is one node by name, running or not.
type Cluster struct {
	// Name tells clusters apart: a DNS label of at most 40 characters.
	Name string
	// Dir is the folder of all its files.
	Dir string
}

// New is the cluster of a name. It does not start it.
func New(name string) (Cluster, error) {
	if !validName.MatchString(name) {
		return Cluster{}, fmt.Errorf("name a cluster %q: want a DNS label of at most 40 characters", name)
	}
	dir, err := clustersDir()
	if err != nil {
		return Cluster{}, err
	}
	return Cluster{Name: name, Dir: filepath.Join(dir, name)}, nil
}

func clustersDir() (string, error) {
	cache, err := assets.Cache()
	return filepath.Join(cache, "clusters"), err
}

// Kubeconfig is the path of the file with which the machine's own processes
// connect as administrator. It is there while the cluster runs.
func (c Cluster) Kubeconfig() string { return c.path("kubeconfig") }

// NodeName is the name of the Kubernetes node.
func (c Cluster) NodeName() string { return c.Name + "-node" }

func (c Cluster) path(names ...string) string {
	return filepath.Join(append([]string{c.Dir}, names...)...)
}

// Link is the name of the interface on the machine's side, at most 15
// characters.
func (c Cluster) Link() string {
	sum := fnv.New32a()
	fmt.Fprint(sum, c.Dir)
	return fmt.Sprintf("mw-%08x", sum.Sum32())
}

// cgroup is the name of the cluster's cgroup, below the root of each hierarchy.
// Clusters of the same name of several users do not meet.
func (c Cluster) cgroup() string { return "meshwright-" + c.Name + c.Link()[2:] }

// state is what Start writes down for those who come after it.
type state struct {
	// Slot is the cluster's part of the address plan.
	Slot Slot `json:"slot"`
	// Init is the first process.
	Init Process `json:"init"`
	// Programs are the paths of all programs by name: the repository may change
	// while the cluster runs.
	Programs map[string]string `json:"programs"`
	// Images are the archives that a start loads.
	Images []string `json:"images"`
}

func (c Cluster) readState() (state, error) {
	var s state
	data, err := os.ReadFile(c.path("state.json"))
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("read the state of %s: %w", c.Name, err)
	}
	return s, nil
}

func (c Cluster) writeState(s state) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("write the state of %s: %w", c.Name, err)
	}
	partial := c.path(".state.json")
	if err := os.WriteFile(partial, data, 0o600); err != nil {
		return fmt.Errorf("write the state of %s: %w", c.Name, err)
	}
	return os.Rename(partial, c.path("state.json"))
}
