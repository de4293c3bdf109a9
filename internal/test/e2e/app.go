package e2e

import (
	"bytes"
	"testing"
	"text/template"
)

// App is a Deployment of the tests' workload with a ServiceAccount and a Service
// of the same name, on HTTP port 8080 and the server-first TCP port 9000.
type App struct {
	Name string
	// Service is the name of the Service that selects it; "" is Name. Apps that
	// share one are its versions.
	Service string
	// Version is the Pods' label version, and what they answer; "" is v1.
	Version string
	// Replicas is the number of Pods; 0 is one.
	Replicas int
	// Labels and Annotations are added to the Pods.
	Labels, Annotations map[string]string
}

var appTemplate = template.Must(template.New("app").Parse(`
apiVersion: v1
kind: ServiceAccount
metadata: {name: {{.Name}}}
---
apiVersion: v1
kind: Service
metadata: {name: {{.Service}}}
spec:
  selector: {app: {{.Service}}}
  ports:
  - {name: http, port: 8080, targetPort: 8080}
  - {name: server-first-greet, port: 9000, targetPort: 9000}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{.Name}}}
spec:
  replicas: {{.Replicas}}
  selector: {matchLabels: {app: {{.Service}}, version: {{.Version}}}}
  template:
    metadata:
      labels:
        app: {{.Service}}
        version: {{.Version}}
        {{- range $name, $value := .Labels}}
        {{printf "%q: %q" $name $value}}
        {{- end}}
      annotations:
        {{- range $name, $value := .Annotations}}
        {{printf "%q: %q" $name $value}}
        {{- end}}
    spec:
      serviceAccountName: {{.Name}}
      terminationGracePeriodSeconds: 5
      containers:
      - name: app
        image: {{.Image}}
        imagePullPolicy: Never
        args: [serve]
        env: [{name: VERSION, value: {{.Version}}}]
        ports: [{name: http, containerPort: 8080}, {name: greet, containerPort: 9000}]
        readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
        resources: {requests: {cpu: 5m, memory: 16Mi}}
        securityContext:
          allowPrivilegeEscalation: false
          runAsNonRoot: true
          capabilities: {drop: [ALL]}
          seccompProfile: {type: RuntimeDefault}
`))

// Deploy applies apps and waits until they are rolled out.
func (c *Cluster) Deploy(t testing.TB, namespace string, apps ...App) {
	t.Helper()
	for _, app := range apps {
		if app.Service == "" {
			app.Service = app.Name
		}
		if app.Version == "" {
			app.Version = "v1"
		}
		app.Replicas = max(app.Replicas, 1)
		var yaml bytes.Buffer
		if err := appTemplate.Execute(&yaml, struct {
			App
			Image string
		}{app, AppImage}); err != nil {
			t.Fatal(err)
		}
		c.Apply(t, namespace, yaml.String())
	}
	for _, app := range apps {
		c.WaitRollout(t, namespace, "deployment/"+app.Name)
	}
}
