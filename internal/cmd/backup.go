package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"filippo.io/age"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	kubediscovery "k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"

	"github.com/meshwright/meshwright/internal/backup"
)

// backupOptions are the flags of backup and of restore.
type backupOptions struct {
	cluster          *genericclioptions.ConfigFlags
	file             string
	recipients       []string
	identities       []string
	passphraseFile   string
	withoutAuthority bool
	dryRun           string
}

func backupCommand() *cobra.Command {
	o := backupOptions{cluster: genericclioptions.NewConfigFlags(true)}
	c := &cobra.Command{
		Use:   "backup -o FILE",
		Short: "Save the signing authority, the MeshInstalls and the mesh's configuration",
		Long: `Writes one file with the Secret of each mesh's signing authority, the MeshInstalls,
and all objects of networking, security, telemetry and extensions.istio.io and of
gateway.networking.k8s.io, but those that a controller made. Secrets with the
certificates of gateways are not in it.

Who has the signing key can be anyone in the mesh, so the file is encrypted, in
the format of age: for --recipient (age1...), or with a passphrase. Without the
authority (--without-authority) it is plain YAML, and nobody needs the right to
read Secrets.`,
		Example: `  meshwright backup -o mesh.age --recipient age1...
  meshwright backup -o mesh.yaml --without-authority`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.backup(c.Context(), c.OutOrStdout()) },
	}
	c.Flags().StringVarP(&o.file, "output", "o", "", "file to write; it must not exist")
	c.Flags().StringArrayVar(&o.recipients, "recipient", nil, "age recipient who can open the file; may be repeated")
	c.Flags().StringVar(&o.passphraseFile, "passphrase-file", "", "file with the passphrase that opens the file")
	c.Flags().BoolVar(&o.withoutAuthority, "without-authority", false, "leave out the signing authority")
	c.MarkFlagsMutuallyExclusive("recipient", "passphrase-file")
	_ = c.MarkFlagRequired("output")
	o.cluster.AddFlags(c.Flags())
	return c
}

func restoreCommand() *cobra.Command {
	o := backupOptions{cluster: genericclioptions.NewConfigFlags(true)}
	c := &cobra.Command{
		Use:   "restore -f FILE",
		Short: "Create what a backup holds and the cluster does not have",
		Long: `Creates the objects of a backup that are missing: the signing authority, then the
MeshInstalls, then the rest. It changes and deletes nothing, so it can be run
again. Install the operator and the CustomResourceDefinitions before.

If the cluster has another authority, nothing is restored.`,
		Example: `  meshwright restore -f mesh.age --identity key.txt --dry-run=server
  meshwright restore -f mesh.yaml`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.restore(c.Context(), c.OutOrStdout()) },
	}
	c.Flags().StringVarP(&o.file, "filename", "f", "", "file that meshwright backup wrote")
	c.Flags().StringArrayVarP(&o.identities, "identity", "i", nil, "file with the age identity that opens it; may be repeated")
	c.Flags().StringVar(&o.passphraseFile, "passphrase-file", "", "file with the passphrase that opens it")
	c.Flags().StringVar(&o.dryRun, "dry-run", "none", "none, or server: check everything and store nothing")
	c.MarkFlagsMutuallyExclusive("identity", "passphrase-file")
	_ = c.MarkFlagRequired("filename")
	o.cluster.AddFlags(c.Flags())
	return c
}

func (o *backupOptions) backup(ctx context.Context, out io.Writer) (err error) {
	recipients, err := o.readRecipients()
	if err != nil {
		return err
	}
	if len(recipients) == 0 && !o.withoutAuthority {
		return errors.New("the signing key is in a backup: encrypt it with --recipient or --passphrase-file, or leave it out with --without-authority")
	}
	clients, err := o.clients()
	if err != nil {
		return err
	}
	objects, err := backup.Snapshot(ctx, clients, !o.withoutAuthority)
	if err != nil {
		return err
	}
	// A backup is never written over another.
	file, err := os.OpenFile(filepath.Clean(o.file), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("create the backup: %w", err)
	}
	err = errors.Join(backup.Write(file, objects, recipients), file.Sync(), file.Close())
	if err != nil {
		return errors.Join(err, os.Remove(o.file))
	}
	_, err = fmt.Fprintf(out, "%d objects saved in %s\n", len(objects), o.file)
	return err
}

func (o *backupOptions) restore(ctx context.Context, out io.Writer) error {
	suffix := ""
	switch o.dryRun {
	case "none":
	case "server":
		suffix = " (server dry run)"
	default:
		return fmt.Errorf("dry-run %q is not known: give none or server", o.dryRun)
	}
	identities, err := o.readIdentities()
	if err != nil {
		return err
	}
	file, err := os.Open(filepath.Clean(o.file))
	if err != nil {
		return fmt.Errorf("open the backup: %w", err)
	}
	defer func() { _ = file.Close() }()
	objects, err := backup.Read(file, identities)
	if err != nil {
		return err
	}
	clients, err := o.clients()
	if err != nil {
		return err
	}
	return backup.Restore(ctx, clients, objects, suffix != "", func(object *unstructured.Unstructured, outcome backup.Outcome) {
		_, _ = fmt.Fprintf(out, "%s %s%s\n", backup.Name(object), outcome, suffix)
	})
}

func (o *backupOptions) clients() (backup.Clients, error) {
	config, err := o.cluster.ToRESTConfig()
	if err != nil {
		return backup.Clients{}, fmt.Errorf("find the API server: %w", err)
	}
	d, err := kubediscovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return backup.Clients{}, fmt.Errorf("connect to the API server: %w", err)
	}
	c, err := dynamic.NewForConfig(config)
	if err != nil {
		return backup.Clients{}, fmt.Errorf("connect to the API server: %w", err)
	}
	return backup.Clients{Dynamic: c, Discovery: d}, nil
}

func (o *backupOptions) readRecipients() ([]age.Recipient, error) {
	var out []age.Recipient
	for _, text := range o.recipients {
		r, err := age.ParseX25519Recipient(text)
		if err != nil {
			return nil, fmt.Errorf("read --recipient %s: %w", text, err)
		}
		out = append(out, r)
	}
	if o.passphraseFile != "" {
		r, _, err := o.passphrase()
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

func (o *backupOptions) readIdentities() ([]age.Identity, error) {
	var out []age.Identity
	for _, name := range o.identities {
		file, err := os.Open(filepath.Clean(name))
		if err != nil {
			return nil, fmt.Errorf("read identity: %w", err)
		}
		found, err := age.ParseIdentities(file)
		_ = file.Close()
		if err != nil {
			return nil, fmt.Errorf("read identity %s: %w", name, err)
		}
		out = append(out, found...)
	}
	if o.passphraseFile != "" {
		_, i, err := o.passphrase()
		if err != nil {
			return nil, err
		}
		out = append(out, i)
	}
	return out, nil
}

func (o *backupOptions) passphrase() (age.Recipient, age.Identity, error) {
	text, err := os.ReadFile(filepath.Clean(o.passphraseFile))
	if err != nil {
		return nil, nil, fmt.Errorf("read passphrase: %w", err)
	}
	return backup.Passphrase(string(text))
}
