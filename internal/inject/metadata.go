package inject

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"istio.io/api/annotation"
	"istio.io/api/label"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// labelsToAdd are the labels of an injected pod that it does not have yet, or
// has with another value.
func labelsToAdd(pod *corev1.Pod, c *Config) map[string]string {
	add := map[string]string{label.IoIstioRev.Name: c.Revision}
	for name, value := range map[string]string{
		label.SecurityTlsMode.Name:          "istio",
		label.ServiceCanonicalName.Name:     canonicalName(pod),
		label.ServiceCanonicalRevision.Name: firstLabel(pod, "latest", "app.kubernetes.io/version", "version"),
	} {
		if _, ok := pod.Labels[name]; !ok {
			add[name] = value
		}
	}
	return add
}

// maxLabel is the length of a label's value.
const maxLabel = 63

func canonicalName(pod *corev1.Pod) string {
	name := firstLabel(pod, workloadName(pod), "app.kubernetes.io/name", "app")
	if len(name) > maxLabel {
		// The value of a label ends in a letter or digit.
		name = strings.TrimRight(name[:maxLabel], "-_.")
	}
	return name
}

func firstLabel(pod *corev1.Pod, fallback string, names ...string) string {
	for _, name := range names {
		if value := pod.Labels[name]; value != "" {
			return value
		}
	}
	return fallback
}

// cronJobRun is the name of a CronJob's Job: its time in minutes at the end.
var cronJobRun = regexp.MustCompile(`^(.+)-\d{8,10}$`)

// workloadName is the name of what made the pod, as the user knows it: the
// Deployment rather than its ReplicaSet, the CronJob rather than its Job.
func workloadName(pod *corev1.Pod) string {
	owner := metav1.GetControllerOf(pod)
	switch {
	case owner == nil && pod.Name != "":
		return pod.Name
	case owner == nil:
		return strings.TrimSuffix(pod.GenerateName, "-")
	case owner.Kind == "ReplicaSet":
		if hash := pod.Labels["pod-template-hash"]; hash != "" {
			return strings.TrimSuffix(owner.Name, "-"+hash)
		}
	case owner.Kind == "Job":
		if m := cronJobRun.FindStringSubmatch(owner.Name); m != nil {
			return m[1]
		}
	}
	return owner.Name
}

// status is the value of sidecar.istio.io/status, in Istio's form: what was
// injected, by name.
type status struct {
	InitContainers   []string `json:"initContainers"`
	Containers       []string `json:"containers"`
	Volumes          []string `json:"volumes"`
	ImagePullSecrets []string `json:"imagePullSecrets"`
	Revision         string   `json:"revision"`
}

// The annotations by which Prometheus finds what to scrape.
const (
	prometheusScrape = "prometheus.io/scrape"
	prometheusPort   = "prometheus.io/port"
	prometheusPath   = "prometheus.io/path"
)

// annotationsToAdd are those of an injected pod. Prometheus is led to the
// agent, which scrapes the application where the pod's own annotations say.
func annotationsToAdd(pod *corev1.Pod, c *Config) (map[string]string, error) {
	s := status{InitContainers: []string{redirectContainer, proxyContainer}, Revision: c.Revision}
	for _, v := range volumes {
		s.Volumes = append(s.Volumes, v.Name)
	}
	value, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("write injection status: %w", err)
	}
	add := map[string]string{annotation.SidecarStatus.Name: string(value)}
	if mergesMetrics(pod) {
		add[prometheusScrape] = "true"
		add[prometheusPort] = fmt.Sprint(agentPort)
		add[prometheusPath] = "/stats/prometheus"
	}
	return add, nil
}

func mergesMetrics(pod *corev1.Pod) bool {
	return pod.Annotations[annotation.PrometheusMergeMetrics.Name] != "false"
}

// scrape is where the application serves metrics, in Istio's form.
type scrape struct {
	Scrape string `json:"scrape"`
	Path   string `json:"path"`
	Port   string `json:"port"`
}

// scrapeJSON is the value of ISTIO_PROMETHEUS_ANNOTATIONS, empty for a pod that
// says nothing of its metrics.
func scrapeJSON(pod *corev1.Pod) (string, error) {
	s := scrape{
		Scrape: pod.Annotations[prometheusScrape],
		Path:   pod.Annotations[prometheusPath],
		Port:   pod.Annotations[prometheusPort],
	}
	if s == (scrape{}) || !mergesMetrics(pod) {
		return "", nil
	}
	for _, name := range []string{prometheusScrape, prometheusPath, prometheusPort} {
		if unwritable.MatchString(pod.Annotations[name]) {
			return "", fmt.Errorf("annotation %s: %w", name, errUnwritable)
		}
	}
	out, err := encodeJSON(s)
	if err != nil {
		return "", fmt.Errorf("write Prometheus annotations: %w", err)
	}
	return out, nil
}
