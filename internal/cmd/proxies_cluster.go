package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"

	"github.com/meshwright/meshwright/internal/authn"
)

const (
	// discoveryPods are the labels of discovery's pods, of every revision.
	discoveryPods = "app.kubernetes.io/part-of=meshwright,meshwright.io/component=discovery"
	// debugAccount may read the debug endpoints; each mesh namespace has one.
	debugAccount = "meshwright-debug"
	debugPort    = 15014
	// debugTokenLife is the shortest that the API server gives.
	debugTokenLife = int64(600)
)

// readCluster asks all discovery pods that run. What one cannot tell is an error
// beside the rows of the others.
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
	pods, err := client.CoreV1().Pods("").List(ctx, metav1.ListOptions{LabelSelector: discoveryPods})
	if err != nil {
		return nil, fmt.Errorf("list discovery pods: %w", err)
	}
	var rows []proxyRow
	var failed error
	for i := range pods.Items {
		pod := &pods.Items[i]
		if pod.Status.Phase != corev1.PodRunning || pod.DeletionTimestamp != nil {
			continue
		}
		got, err := readPod(ctx, config, client, pod)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("pod %s/%s: %w", pod.Namespace, pod.Name, err))
			continue
		}
		rows = append(rows, got...)
	}
	if len(rows) == 0 && failed == nil && len(pods.Items) == 0 {
		failed = errors.New("no discovery pod is running: is a MeshInstall ready?")
	}
	return rows, failed
}

func readPod(ctx context.Context, config *rest.Config, client kubernetes.Interface, pod *corev1.Pod) ([]proxyRow, error) {
	life := debugTokenLife
	token, err := client.CoreV1().ServiceAccounts(pod.Namespace).CreateToken(ctx, debugAccount, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{Audiences: []string{authn.AudienceDebug}, ExpirationSeconds: &life},
	}, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("ask for a token of %s: %w", debugAccount, err)
	}
	address, stop, err := forward(config, client, pod)
	if err != nil {
		return nil, err
	}
	defer stop()
	return readProxies(ctx, address, token.Status.Token, pod.Namespace+"/"+pod.Name)
}

// forward opens a local port that leads to the pod's debug port, until stop.
func forward(config *rest.Config, client kubernetes.Interface, pod *corev1.Pod) (address string, stop func(), err error) {
	url := client.CoreV1().RESTClient().Post().Resource("pods").Namespace(pod.Namespace).Name(pod.Name).SubResource("portforward").URL()
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return "", nil, fmt.Errorf("forward a port: %w", err)
	}
	var dialer httpstream.Dialer = spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, url)
	// WebSockets pass proxies that SPDY does not; older servers know only SPDY.
	if tunnel, err := portforward.NewSPDYOverWebsocketDialer(url, config); err == nil {
		dialer = portforward.NewFallbackDialer(tunnel, dialer, func(err error) bool {
			return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
		})
	}
	stopped, ready := make(chan struct{}), make(chan struct{})
	f, err := portforward.NewOnAddresses(dialer, []string{"127.0.0.1"}, []string{fmt.Sprintf("0:%d", debugPort)}, stopped, ready, io.Discard, io.Discard)
	if err != nil {
		return "", nil, fmt.Errorf("forward a port: %w", err)
	}
	failed := make(chan error, 1)
	go func() { failed <- f.ForwardPorts() }()
	select {
	case err := <-failed:
		return "", nil, fmt.Errorf("forward a port: %w", err)
	case <-ready:
	}
	ports, err := f.GetPorts()
	if err != nil {
		close(stopped)
		return "", nil, fmt.Errorf("forward a port: %w", err)
	}
	return fmt.Sprintf("127.0.0.1:%d", ports[0].Local), func() { close(stopped) }, nil
}
