package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"

	"github.com/meshwright/meshwright/internal/authn"
)

const (
	// discoveryPods are the labels of discovery's pods, of every revision.
	discoveryPods = "app.kubernetes.io/part-of=meshwright,meshwright.io/component=discovery"
	revisionLabel = "meshwright.io/revision"
	installLabel  = "meshwright.io/install"
	// debugAccount may read the debug endpoints; each mesh namespace has one.
	debugAccount = "meshwright-debug"
	debugPort    = 15014
	// debugTokenLife is in seconds, the shortest that the API server gives.
	debugTokenLife = int64(600)
)

// discoveryReader asks the discovery pods of a cluster.
type discoveryReader struct {
	client kubernetes.Interface
	// forward opens an address on this machine that leads to the pod's debug
	// port, until ctx ends.
	forward func(ctx context.Context, pod *corev1.Pod) (address string, err error)
}

func (o *proxiesOptions) readCluster(ctx context.Context) ([]proxyRow, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = o.kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: o.kubeContext}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	reader := &discoveryReader{client: client, forward: forwarder(config, client)}
	return reader.read(ctx, o.meshNamespace, o.install)
}

// read asks all discovery pods of a namespace and a MeshInstall; what is empty
// is all of them. What one cannot tell is an error beside the rows of the others.
func (d *discoveryReader) read(ctx context.Context, namespace, install string) ([]proxyRow, error) {
	selector := discoveryPods
	if install != "" {
		selector += "," + installLabel + "=" + install
	}
	pods, err := d.client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if apierrors.IsForbidden(err) && namespace == "" {
		return nil, fmt.Errorf("list discovery pods: %w (if you may in one namespace, give --mesh-namespace)", err)
	}
	if err != nil {
		return nil, fmt.Errorf("list discovery pods: %w", err)
	}
	ready := slices.DeleteFunc(slices.Clone(pods.Items), func(p corev1.Pod) bool { return !podReady(&p) })
	if len(ready) == 0 {
		return nil, fmt.Errorf("no discovery pod is ready, of %d with labels %s (kubectl get meshinstalls says what is being waited for)", len(pods.Items), selector)
	}
	answers, failures := make([][]proxyRow, len(ready)), make([]error, len(ready))
	var wait sync.WaitGroup
	for i := range ready {
		wait.Go(func() {
			pod := &ready[i]
			if answers[i], failures[i] = d.ask(ctx, pod); failures[i] != nil {
				failures[i] = fmt.Errorf("pod %s/%s: %w", pod.Namespace, pod.Name, failures[i])
			}
		})
	}
	wait.Wait()
	return slices.Concat(answers...), errors.Join(failures...)
}

func podReady(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodRunning && p.DeletionTimestamp == nil &&
		slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
		})
}

// ask reads the proxies of one pod.
func (d *discoveryReader) ask(ctx context.Context, pod *corev1.Pod) ([]proxyRow, error) {
	life := debugTokenLife
	token, err := d.client.CoreV1().ServiceAccounts(pod.Namespace).CreateToken(ctx, debugAccount, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{Audiences: []string{authn.AudienceDebug}, ExpirationSeconds: &life},
	}, metav1.CreateOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, fmt.Errorf("ask for a token: %w (config/default and charts/operator create it)", err)
	case err != nil:
		return nil, fmt.Errorf("ask for a token: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	address, err := d.forward(ctx, pod)
	if err != nil {
		return nil, fmt.Errorf("forward a port: %w", err)
	}
	rows, err := readProxies(ctx, address, token.Status.Token)
	for i := range rows {
		rows[i].Discovery, rows[i].Revision = pod.Name, pod.Labels[revisionLabel]
	}
	return rows, err
}

// forwarder forwards ports by way of the API server.
func forwarder(config *rest.Config, client kubernetes.Interface) func(context.Context, *corev1.Pod) (string, error) {
	return func(ctx context.Context, pod *corev1.Pod) (string, error) {
		url := client.CoreV1().RESTClient().Post().Resource("pods").Namespace(pod.Namespace).Name(pod.Name).SubResource("portforward").URL()
		transport, upgrader, err := spdy.RoundTripperFor(config)
		if err != nil {
			return "", err
		}
		tunnel, err := portforward.NewSPDYOverWebsocketDialerForStreaming(url, config)
		if err != nil {
			return "", err
		}
		// WebSockets pass proxies that SPDY does not; older servers know only SPDY.
		plain := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, url)
		dialer := portforward.NewFallbackDialerForStreaming(tunnel, plain, func(err error) bool {
			return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
		})
		ready, failed := make(chan struct{}), make(chan error, 1)
		f, err := portforward.NewOnAddressesForStreamingWithContext(ctx, dialer, []string{"127.0.0.1"}, []string{fmt.Sprintf("0:%d", debugPort)}, ready, io.Discard, io.Discard)
		if err != nil {
			return "", err
		}
		go func() { failed <- f.ForwardPorts() }()
		select {
		case <-ready:
		case err := <-failed:
			return "", err
		case <-ctx.Done():
			return "", ctx.Err()
		}
		ports, err := f.GetPorts()
		if err != nil {
			return "", err
		}
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(int(ports[0].Local))), nil
	}
}
