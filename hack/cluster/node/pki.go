package node

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// lifetime of every certificate: a cluster is for tests and demonstrations, and
// gets new ones each time it starts.
const lifetime = 365 * 24 * time.Hour

// authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
	pem         []byte
}

func newAuthority(name string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("create the key of %s: %w", name, err)
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}
	a := &authority{certificate: template, key: key}
	der, err := a.sign(template, key.Public())
	if err != nil {
		return nil, err
	}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("read the certificate of %s: %w", name, err)
	}
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a, nil
}

func (a *authority) sign(template *x509.Certificate, key crypto.PublicKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("draw a serial number: %w", err)
	}
	now := time.Now()
	template.SerialNumber, template.NotBefore, template.NotAfter = serial, now.Add(-time.Minute), now.Add(lifetime)
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key, a.key)
	if err != nil {
		return nil, fmt.Errorf("sign the certificate of %s: %w", template.Subject.CommonName, err)
	}
	return der, nil
}

// issue is a new key and its certificate, both PEM. With names it serves, and
// it is a client's always.
func (a *authority) issue(name, group string, addresses []net.IP, names ...string) (cert, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("create the key of %s: %w", name, err)
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		IPAddresses: addresses, DNSNames: names,
	}
	if group != "" {
		template.Subject.Organization = []string{group}
	}
	der, err := a.sign(template, private.Public())
	if err != nil {
		return nil, nil, err
	}
	key, err = keyPEM(private)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), key, err
}

func keyPEM(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}

// writePKI writes all keys and certificates of a new cluster, and a kubeconfig
// for each program and for the administrator.
func (c Cluster) writePKI(slot Slot) error {
	ca, err := newAuthority("kubernetes")
	if err != nil {
		return err
	}
	frontProxy, err := newAuthority("front-proxy")
	if err != nil {
		return err
	}
	tokens, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("create the key of tokens: %w", err)
	}
	tokenKey, err := keyPEM(tokens)
	if err != nil {
		return err
	}
	caKey, err := keyPEM(ca.key.(*ecdsa.PrivateKey))
	if err != nil {
		return err
	}
	addresses := []net.IP{net.ParseIP("127.0.0.1"), net.ParseIP(slot.Node()), net.ParseIP(slot.APIService())}
	serverCert, serverKey, err := ca.issue("kube-apiserver", "", addresses, "localhost", c.NodeName(),
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
	if err != nil {
		return err
	}
	kubeletCert, kubeletKey, err := ca.issue("kube-apiserver-kubelet-client", "system:masters", nil)
	if err != nil {
		return err
	}
	proxyCert, proxyKey, err := frontProxy.issue("front-proxy-client", "", nil)
	if err != nil {
		return err
	}
	files := map[string][]byte{
		"ca.crt": ca.pem, "ca.key": caKey, "front-proxy-ca.crt": frontProxy.pem, "tokens.key": tokenKey,
		"apiserver.crt": serverCert, "apiserver.key": serverKey,
		"apiserver-kubelet.crt": kubeletCert, "apiserver-kubelet.key": kubeletKey,
		"front-proxy.crt": proxyCert, "front-proxy.key": proxyKey,
	}
	for name, data := range files {
		if err := os.WriteFile(c.path("pki", name), data, 0o600); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return c.writeKubeconfigs(ca, slot)
}

func (c Cluster) writeKubeconfigs(ca *authority, slot Slot) error {
	inside, outside := "https://127.0.0.1:6443", "https://"+slot.Node()+":6443"
	for _, user := range []struct{ file, name, group, server string }{
		{c.Kubeconfig(), "administrator", "system:masters", outside},
		{c.path("pki", "kube-controller-manager.conf"), "system:kube-controller-manager", "", inside},
		{c.path("pki", "kube-scheduler.conf"), "system:kube-scheduler", "", inside},
		{c.path("pki", "kube-proxy.conf"), "system:kube-proxy", "", inside},
		{c.path("pki", "kubelet.conf"), "system:node:" + c.NodeName(), "system:nodes", inside},
	} {
		cert, key, err := ca.issue(user.name, user.group, nil)
		if err != nil {
			return err
		}
		config := clientcmdapi.NewConfig()
		config.Clusters[c.Name] = &clientcmdapi.Cluster{Server: user.server, CertificateAuthorityData: ca.pem}
		config.AuthInfos[c.Name] = &clientcmdapi.AuthInfo{ClientCertificateData: cert, ClientKeyData: key}
		config.Contexts[c.Name] = &clientcmdapi.Context{Cluster: c.Name, AuthInfo: c.Name}
		config.CurrentContext = c.Name
		if err := clientcmd.WriteToFile(*config, user.file); err != nil {
			return fmt.Errorf("write %s: %w", user.file, err)
		}
	}
	return nil
}
