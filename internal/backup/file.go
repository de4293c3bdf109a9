package backup

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	sigsyaml "sigs.k8s.io/yaml"
)

// header begins a backup that nobody encrypted.
const header = "# Meshwright backup\n"

// Write writes objects as YAML documents, in age's armoured form for the
// recipients. Without a recipient it is plain text, and an authority among the
// objects is an error.
func Write(w io.Writer, objects []*unstructured.Unstructured, recipients []age.Recipient) (err error) {
	if len(recipients) == 0 {
		for _, o := range objects {
			if isAuthority(o) {
				return fmt.Errorf("write %s: a signing key is not written without encryption", Name(o))
			}
		}
		return writeYAML(w, objects)
	}
	armored := armor.NewWriter(w)
	encrypted, err := age.Encrypt(armored, recipients...)
	if err != nil {
		return fmt.Errorf("encrypt the backup: %w", err)
	}
	return errors.Join(writeYAML(encrypted, objects), encrypted.Close(), armored.Close())
}

func writeYAML(w io.Writer, objects []*unstructured.Unstructured) error {
	if _, err := io.WriteString(w, header); err != nil {
		return err
	}
	for _, o := range objects {
		text, err := sigsyaml.Marshal(o.Object)
		if err != nil {
			return fmt.Errorf("write %s: %w", Name(o), err)
		}
		if _, err := fmt.Fprintf(w, "---\n%s", text); err != nil {
			return err
		}
	}
	return nil
}

// Read reads what Write wrote. identities open an encrypted backup; one that is
// plain needs none.
func Read(r io.Reader, identities []age.Identity) ([]*unstructured.Unstructured, error) {
	in := bufio.NewReader(r)
	begin, _ := in.Peek(len(armor.Header))
	if string(begin) == armor.Header {
		if len(identities) == 0 {
			return nil, errors.New("read the backup: it is encrypted; say with what key it opens")
		}
		plain, err := age.Decrypt(armor.NewReader(in), identities...)
		if err != nil {
			return nil, fmt.Errorf("open the backup: %w", err)
		}
		in = bufio.NewReader(plain)
	}
	if begin, _ := in.Peek(len(header)); string(begin) != header {
		return nil, errors.New("read the backup: this is no backup of Meshwright's")
	}
	var out []*unstructured.Unstructured
	documents := yaml.NewYAMLReader(in)
	for {
		text, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the backup: %w", err)
		}
		if bytes.Equal(bytes.TrimSpace(text), []byte(strings.TrimSpace(header))) {
			continue
		}
		o := &unstructured.Unstructured{}
		asJSON, err := sigsyaml.YAMLToJSON(text)
		if err == nil {
			err = o.UnmarshalJSON(asJSON)
		}
		if err != nil {
			return nil, fmt.Errorf("read the backup, document %d: %w", len(out)+1, err)
		}
		out = append(out, o)
	}
}

// Passphrase is the key of a passphrase, with which a file is written and opened.
// Surrounding white space does not count.
func Passphrase(text string) (age.Recipient, age.Identity, error) {
	text = strings.TrimSpace(text)
	recipient, err := age.NewScryptRecipient(text)
	if err != nil {
		return nil, nil, fmt.Errorf("read passphrase: %w", err)
	}
	identity, err := age.NewScryptIdentity(text)
	if err != nil {
		return nil, nil, fmt.Errorf("read passphrase: %w", err)
	}
	return recipient, identity, nil
}
