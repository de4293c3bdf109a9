package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

const (
	certificateBlock = "CERTIFICATE"
	keyBlock         = "PRIVATE KEY"
	requestBlock     = "CERTIFICATE REQUEST"
)

// CertificatePEM writes a certificate as one PEM block.
func CertificatePEM(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: cert.Raw})
}

// KeyPEM writes a private key as PKCS #8. The result is secret.
func KeyPEM(key crypto.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: der}), nil
}

// Certificates reads all certificates of a PEM text, in order. Blocks of
// another kind, text that is no PEM, and a text without certificates are
// errors.
func Certificates(text []byte) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for len(text) > 0 {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		if block.Type != certificateBlock {
			return nil, fmt.Errorf("read certificates: unexpected PEM block %q", block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read certificates: %w", err)
		}
		out, text = append(out, cert), rest
	}
	if len(out) == 0 {
		return nil, errors.New("read certificates: no PEM certificate in it")
	}
	return out, nil
}

// EncodeAuthority is the authority as PEM: its certificate, and its key in
// PKCS #8, which is secret.
func EncodeAuthority(a *Authority) (cert, key []byte, err error) {
	key, err = KeyPEM(a.key)
	if err != nil {
		return nil, nil, err
	}
	return CertificatePEM(a.cert), key, nil
}

// ParseAuthority reads what EncodeAuthority wrote. It is an error if the
// certificate may not sign or is not that of the key.
func ParseAuthority(certPEM, keyPEM []byte) (*Authority, error) {
	certs, err := Certificates(certPEM)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(keyPEM)
	if block == nil || block.Type != keyBlock {
		return nil, fmt.Errorf("read signing key: no PEM block %q in it", keyBlock)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("read signing key: not PKCS #8")
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, errors.New("read signing key: it cannot sign")
	}
	cert := certs[0]
	if !cert.IsCA || cert.KeyUsage&x509.KeyUsageCertSign == 0 {
		return nil, errors.New("read signing certificate: it may not sign certificates")
	}
	if public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(cert.PublicKey) {
		return nil, errors.New("read signing key: it is not the certificate's")
	}
	return &Authority{cert: cert, key: key}, nil
}

// ParseCSR reads a PEM certificate request, checks that the sender holds its
// key, and that the key is one that we sign: ECDSA, or RSA of 2048 to 8192
// bits.
func ParseCSR(text []byte) (*x509.CertificateRequest, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != requestBlock {
		return nil, fmt.Errorf("read request: no PEM block %q in it", requestBlock)
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	// The size is checked first: verifying with a huge RSA key is work for free.
	switch key := csr.PublicKey.(type) {
	case *ecdsa.PublicKey:
	case *rsa.PublicKey:
		if n := key.N.BitLen(); n < 2048 || n > 8192 {
			return nil, fmt.Errorf("read request: RSA key of %d bits, want 2048 to 8192", n)
		}
	default:
		return nil, fmt.Errorf("read request: key of kind %s, want ECDSA or RSA", csr.PublicKeyAlgorithm)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("verify request: %w", err)
	}
	return csr, nil
}
