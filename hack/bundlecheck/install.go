package bundlecheck

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
)

// containers are those of all Deployments, by "deployment/container".
func (b *Bundle) containers() map[string]corev1.Container {
	out := map[string]corev1.Container{}
	for _, d := range b.csv().Spec.Install.Spec.Deployments {
		for _, c := range d.Spec.Template.Spec.Containers {
			out[d.Name+"/"+c.Name] = c
		}
	}
	return out
}

func deploymentsAreHardened(b *Bundle) (m messages) {
	m.want(len(b.csv().Spec.Install.Spec.Deployments) > 0, "there is no Deployment")
	m.want(b.csv().Spec.Install.Strategy == "deployment", "install.strategy is %q", b.csv().Spec.Install.Strategy)
	for _, d := range b.csv().Spec.Install.Spec.Deployments {
		pod := d.Spec.Template.Spec.SecurityContext
		m.want(pod != nil && isTrue(pod.RunAsNonRoot), "Deployment %s may run as root", d.Name)
		m.want(pod != nil && pod.SeccompProfile != nil && pod.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault, "Deployment %s has no seccomp profile", d.Name)
	}
	for name, c := range b.containers() {
		s := c.SecurityContext
		if s == nil {
			m.add("container %s has no security context", name)
			continue
		}
		m.want(isTrue(s.ReadOnlyRootFilesystem), "container %s can write to its root filesystem", name)
		m.want(s.AllowPrivilegeEscalation != nil && !*s.AllowPrivilegeEscalation, "container %s may raise its privileges", name)
		m.want(s.Capabilities != nil && slices.Contains(s.Capabilities.Drop, "ALL"), "container %s keeps capabilities", name)
		m.want(c.ReadinessProbe != nil && c.LivenessProbe != nil, "container %s lacks a probe", name)
	}
	return m
}

func isTrue(b *bool) bool { return b != nil && *b }

func deploymentsRequestResources(b *Bundle) (m messages) {
	for name, c := range b.containers() {
		m.want(!c.Resources.Requests.Cpu().IsZero() && !c.Resources.Requests.Memory().IsZero(), "container %s requests no cpu or no memory", name)
	}
	return m
}

// deploymentIsThatOfConfig: who installs by OLM gets what others get.
func deploymentIsThatOfConfig(b *Bundle) (m messages) {
	for name, c := range b.containers() {
		m.want(slices.Equal(c.Args, b.Expected.Args), "container %s has the arguments %v, config/ %v", name, c.Args, b.Expected.Args)
		var names []string
		for _, e := range c.Env {
			names = append(names, e.Name)
		}
		m.want(slices.Equal(names, b.Expected.Environment), "container %s has the variables %v, config/ %v", name, names, b.Expected.Environment)
	}
	return m
}

func rightsAreTheGeneratedOnes(b *Bundle) (m messages) {
	all := b.csv().Spec.Install.Spec.ClusterPermissions
	m.want(len(all) == 1, "there are %d clusterPermissions, not one", len(all))
	for _, p := range all {
		m.want(equality.Semantic.DeepEqual(p.Rules, b.Expected.Rules), "the rights of %s in the whole cluster are not those generated from controllers/", p.ServiceAccountName)
		used := slices.ContainsFunc(b.csv().Spec.Install.Spec.Deployments, func(d Deployment) bool {
			return d.Spec.Template.Spec.ServiceAccountName == p.ServiceAccountName
		})
		m.want(used, "no Deployment runs as %s", p.ServiceAccountName)
	}
	return m
}

// rules are all rules of the bundle, by where they are.
func (b *Bundle) rules() (map[string][]rbacv1.PolicyRule, error) {
	out := map[string][]rbacv1.PolicyRule{}
	install := b.csv().Spec.Install.Spec
	for _, p := range slices.Concat(install.ClusterPermissions, install.Permissions) {
		out["the CSV's "+p.ServiceAccountName] = append(out["the CSV's "+p.ServiceAccountName], p.Rules...)
	}
	for name, o := range b.objects {
		if o.GetKind() != "ClusterRole" && o.GetKind() != "Role" {
			continue
		}
		var role rbacv1.ClusterRole
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &role); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		out[name] = role.Rules
	}
	return out, nil
}

func rightsAreLeast(b *Bundle) (m messages) {
	all, err := b.rules()
	m.want(err == nil, "%v", err)
	for where, list := range all {
		for _, rule := range list {
			for _, word := range slices.Concat(rule.Verbs, rule.Resources, rule.APIGroups, rule.NonResourceURLs) {
				m.want(!slices.Contains([]string{"*", "bind", "escalate", "impersonate"}, word), "%s has %q in %v", where, word, rule)
			}
		}
	}
	return m
}

func noRightToMakeCRDs(b *Bundle) (m messages) {
	all, err := b.rules()
	m.want(err == nil, "%v", err)
	for where, list := range all {
		for _, rule := range list {
			writes := slices.Contains(rule.Verbs, "create") || slices.Contains(rule.Verbs, "patch") || slices.Contains(rule.Verbs, "update")
			m.want(!writes || !slices.Contains(rule.Resources, "customresourcedefinitions"), "%s writes CustomResourceDefinitions", where)
		}
	}
	return m
}

func webhooksAreComplete(b *Bundle) (m messages) {
	for _, w := range b.csv().Spec.Webhooks {
		known := slices.ContainsFunc(b.csv().Spec.Install.Spec.Deployments, func(d Deployment) bool { return d.Name == w.DeploymentName })
		m.want(known, "webhook %s is served by %q, which is no Deployment", w.GenerateName, w.DeploymentName)
		m.want(w.ContainerPort > 0 && w.TargetPort > 0, "webhook %s has no ports", w.GenerateName)
		m.want(w.SideEffects == "None", "webhook %s has side effects", w.GenerateName)
		m.want(slices.Contains(w.AdmissionReviewVersions, "v1"), "webhook %s does not speak v1", w.GenerateName)
	}
	return m
}
