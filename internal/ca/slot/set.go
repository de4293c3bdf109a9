package slot

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/meshwright/meshwright/internal/ca"
)

// The keys under which Encode writes. They are on disk in users' clusters:
// never rename them.
const (
	currentCert = "current.crt"
	currentKey  = "current.key"
	nextCert    = "next.crt"
	nextKey     = "next.key"
)

// Set is the authorities of one mesh at one moment. It is immutable.
type Set struct {
	// Current signs.
	Current *ca.Authority
	// Next is trusted already and signs after a rotation; nil most of the time.
	Next *ca.Authority
}

// Encode is the set as a Secret's data. The result is secret.
func (s *Set) Encode() (map[string][]byte, error) {
	out := map[string][]byte{}
	for _, e := range []struct {
		authority *ca.Authority
		cert, key string
	}{{s.Current, currentCert, currentKey}, {s.Next, nextCert, nextKey}} {
		if e.authority == nil {
			continue
		}
		cert, key, err := ca.EncodeAuthority(e.authority)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", e.cert, err)
		}
		out[e.cert], out[e.key] = cert, key
	}
	return out, nil
}

// Decode reads what Encode wrote; keys that it does not know are left alone.
// A set without a current authority is an error.
func Decode(data map[string][]byte) (*Set, error) {
	if len(data[currentCert]) == 0 {
		return nil, fmt.Errorf("decode authorities: no %s", currentCert)
	}
	current, err := ca.ParseAuthority(data[currentCert], data[currentKey])
	if err != nil {
		return nil, fmt.Errorf("decode %s: %w", currentCert, err)
	}
	set := &Set{Current: current}
	if len(data[nextCert]) > 0 {
		if set.Next, err = ca.ParseAuthority(data[nextCert], data[nextKey]); err != nil {
			return nil, fmt.Errorf("decode %s: %w", nextCert, err)
		}
	}
	return set, nil
}

// Roots are the certificates to trust, the signer's first.
func (s *Set) Roots() []*x509.Certificate {
	roots := []*x509.Certificate{s.Current.Certificate()}
	if s.Next != nil {
		roots = append(roots, s.Next.Certificate())
	}
	return roots
}

// Bundle is Roots as PEM. It is public.
func (s *Set) Bundle() []byte {
	var out bytes.Buffer
	for _, root := range s.Roots() {
		out.Write(ca.CertificatePEM(root))
	}
	return out.Bytes()
}

// Pool is Roots for a verifier.
func (s *Set) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	for _, root := range s.Roots() {
		pool.AddCert(root)
	}
	return pool
}

// Equal reports whether two sets trust the same roots in the same roles.
func (s *Set) Equal(o *Set) bool { return bytes.Equal(s.Bundle(), o.Bundle()) }

// Holder is where a process keeps its set, which store refreshes while others
// read. The zero Holder is empty.
type Holder struct{ set atomic.Pointer[Set] }

// ErrEmpty says that a Holder was read before it was given a set.
var ErrEmpty = errors.New("no signing authority yet")

// Get is the set of now, or ErrEmpty.
func (h *Holder) Get() (*Set, error) {
	if set := h.set.Load(); set != nil {
		return set, nil
	}
	return nil, ErrEmpty
}

// Set replaces the set.
func (h *Holder) Set(s *Set) { h.set.Store(s) }
