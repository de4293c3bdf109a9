package probe

import (
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Prober is one probe as it stood in the pod before injection, in the form of
// Istio's ISTIO_KUBE_APP_PROBERS. One of the first three is set.
type Prober struct {
	HTTPGet        *corev1.HTTPGetAction   `json:"httpGet,omitempty"`
	TCPSocket      *corev1.TCPSocketAction `json:"tcpSocket,omitempty"`
	GRPC           *corev1.GRPCAction      `json:"grpc,omitempty"`
	TimeoutSeconds int32                   `json:"timeoutSeconds,omitempty"`
}

// Parse reads the injector's list: probers by the path that kubelet asks for,
// /app-health/<container>/{readyz,livez,startupz}. The empty text is none.
func Parse(text string) (map[string]*Prober, error) {
	probers := map[string]*Prober{}
	if text == "" {
		return probers, nil
	}
	if err := json.Unmarshal([]byte(text), &probers); err != nil {
		return nil, fmt.Errorf("read app probers: %w", err)
	}
	for path, p := range probers {
		if p == nil {
			return nil, fmt.Errorf("read app probers: %s is empty", path)
		}
		port, ok := p.port()
		if !ok {
			return nil, fmt.Errorf("read app probers: %s has no httpGet, tcpSocket or grpc", path)
		}
		if port.Type != intstr.Int || port.IntVal < 1 || port.IntVal > 65535 {
			return nil, fmt.Errorf("read app probers: port %q of %s is not a number from 1 to 65535", port.String(), path)
		}
	}
	return probers, nil
}

func (p *Prober) port() (port intstr.IntOrString, ok bool) {
	switch {
	case p.HTTPGet != nil:
		return p.HTTPGet.Port, true
	case p.TCPSocket != nil:
		return p.TCPSocket.Port, true
	case p.GRPC != nil:
		return intstr.FromInt32(p.GRPC.Port), true
	}
	return port, false
}

// timeout is kubelet's own default of a second if the probe says nothing.
func (p *Prober) timeout() time.Duration {
	return time.Duration(max(p.TimeoutSeconds, 1)) * time.Second
}
