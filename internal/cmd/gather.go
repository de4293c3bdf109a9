package cmd

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
)

// gatherTimeout bounds all that meshwright gather does.
const gatherTimeout = 2 * time.Minute

// gatherOptions are the flags of meshwright gather.
type gatherOptions struct {
	cluster *genericclioptions.ConfigFlags
	install string
	file    string
	tail    int64
}

func gatherCommand() *cobra.Command {
	o := gatherOptions{cluster: genericclioptions.NewConfigFlags(true)}
	c := &cobra.Command{
		Use:   "gather",
		Short: "Put what helps to find a fault into one file, without any key",
		Long: `Writes a tar.gz with the MeshInstalls, their revisions and objects, Events, the
proxies that are connected, and the last lines of the logs of operator, discovery,
injector and gateways.

Secrets are never read. Of what is, values of fields that are named like a
password or a token, private keys and tokens are taken out. Look through the
file before you give it to somebody.

With --install only what belongs to that mesh is in the file, where several share
the cluster; the operator works for all of them, so its log is not.

What could not be read is listed in errors.txt in the file, and the rest is there.`,
		Example: `  meshwright gather
  meshwright gather -o fault.tar.gz --install prod --tail 5000`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context(), c.OutOrStdout()) },
	}
	c.Flags().StringVar(&o.install, "install", "", "name of the MeshInstall of which to gather; none means all, and the operator")
	c.Flags().StringVarP(&o.file, "output", "o", "", "file to write, - is the standard output (default meshwright-gather-TIME.tar.gz)")
	c.Flags().Int64Var(&o.tail, "tail", 1000, "lines of each log, at most")
	o.cluster.AddFlags(c.Flags())
	return c
}

func (o *gatherOptions) run(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, gatherTimeout)
	defer cancel()
	config, err := o.cluster.ToRESTConfig()
	if err != nil {
		return fmt.Errorf("find the API server: %w", err)
	}
	g, err := newGatherer(config, o.install, o.tail)
	if err != nil {
		return err
	}
	if err := g.reachable(ctx); err != nil {
		return err
	}
	if err := g.known(ctx); err != nil {
		return err
	}
	if o.file == "-" {
		return g.write(ctx, out)
	}
	if o.file == "" {
		o.file = "meshwright-gather-" + time.Now().UTC().Format("20060102T150405Z") + ".tar.gz"
	}
	// What others may not read in the cluster they may not read here.
	file, err := os.OpenFile(o.file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("make the file: %w", err)
	}
	if err := errors.Join(g.write(ctx, file), file.Close()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s has %d files, %d things could not be read\n", o.file, g.files, len(g.failures))
	return err
}

// write gathers all and packs it.
func (g *gatherer) write(ctx context.Context, out io.Writer) error {
	packed := gzip.NewWriter(out)
	g.archive = tar.NewWriter(packed)
	for _, step := range []func(context.Context) error{g.versions, g.clusterObjects, g.namespacedObjects, g.events, g.proxies, g.logs} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if len(g.failures) > 0 {
		if err := g.add("errors.txt", []byte(strings.Join(g.failures, "\n")+"\n")); err != nil {
			return err
		}
	}
	return errors.Join(g.archive.Close(), packed.Close())
}

// add puts a file into the archive, redacted. Everything goes this way.
func (g *gatherer) add(name string, data []byte) error {
	data = redactText(data)
	header := &tar.Header{Name: "meshwright-gather/" + name, Mode: 0o600, Size: int64(len(data)), ModTime: g.now}
	if err := g.archive.WriteHeader(header); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if _, err := g.archive.Write(data); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	g.files++
	return nil
}

// failed notes what could not be read; the rest is gathered all the same.
func (g *gatherer) failed(what string, err error) {
	if err != nil {
		g.failures = append(g.failures, what+": "+err.Error())
	}
}
