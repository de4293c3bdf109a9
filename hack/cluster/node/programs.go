package node

import "github.com/meshwright/meshwright/internal/test/assets"

// program is one that the supervisor keeps running.
type program struct {
	// name is that of the asset and of the log.
	name string
	args []string
}

func (c Cluster) etcd() program {
	return program{"etcd", []string{
		"--name=etcd", "--data-dir=/var/lib/etcd",
		"--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379",
		"--listen-peer-urls=http://127.0.0.1:2380",
		// The data do not outlive the cluster, so they need not reach the disk.
		"--unsafe-no-fsync",
	}}
}

func (c Cluster) containerd() program {
	return program{"containerd", []string{"--config=" + c.path("containerd.toml")}}
}

func (c Cluster) apiServer(slot Slot) program {
	pki := func(name string) string { return c.path("pki", name) }
	return program{"kube-apiserver", []string{
		"--etcd-servers=http://127.0.0.1:2379",
		"--advertise-address=" + slot.Node(), "--secure-port=6443",
		"--service-cluster-ip-range=" + slot.Services(),
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",
		"--client-ca-file=" + pki("ca.crt"),
		"--tls-cert-file=" + pki("apiserver.crt"), "--tls-private-key-file=" + pki("apiserver.key"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + pki("tokens.key"), "--service-account-signing-key-file=" + pki("tokens.key"),
		"--kubelet-client-certificate=" + pki("apiserver-kubelet.crt"), "--kubelet-client-key=" + pki("apiserver-kubelet.key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--proxy-client-cert-file=" + pki("front-proxy.crt"), "--proxy-client-key-file=" + pki("front-proxy.key"),
		"--requestheader-client-ca-file=" + pki("front-proxy-ca.crt"), "--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
	}}
}

func (c Cluster) controllerManager(slot Slot) program {
	kubeconfig := c.path("pki", "kube-controller-manager.conf")
	return program{"kube-controller-manager", []string{
		"--kubeconfig=" + kubeconfig, "--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=127.0.0.1", "--leader-elect=false", "--use-service-account-credentials=true",
		"--root-ca-file=" + c.path("pki", "ca.crt"),
		"--service-account-private-key-file=" + c.path("pki", "tokens.key"),
		"--cluster-signing-cert-file=" + c.path("pki", "ca.crt"), "--cluster-signing-key-file=" + c.path("pki", "ca.key"),
		"--allocate-node-cidrs=true", "--cluster-cidr=" + slot.Pods(), "--node-cidr-mask-size=20",
		"--service-cluster-ip-range=" + slot.Services(),
		// A namespace of a test goes, and a workload follows, without a wait.
		"--kube-api-qps=200", "--kube-api-burst=400",
	}}
}

func (c Cluster) scheduler() program {
	kubeconfig := c.path("pki", "kube-scheduler.conf")
	return program{"kube-scheduler", []string{
		"--kubeconfig=" + kubeconfig, "--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=127.0.0.1", "--leader-elect=false",
	}}
}

func (c Cluster) kubelet(slot Slot) program {
	return program{"kubelet", []string{
		"--config=" + c.path("kubelet.yaml"), "--kubeconfig=" + c.path("pki", "kubelet.conf"),
		"--hostname-override=" + c.NodeName(), "--node-ip=" + slot.Node(),
		"--node-labels=topology.kubernetes.io/region=region-1,topology.kubernetes.io/zone=zone-1",
	}}
}

func (c Cluster) proxy() program {
	return program{"kube-proxy", []string{"--config=" + c.path("kube-proxy.yaml")}}
}

// programPaths are the paths of all that runs inside the cluster.
func programPaths() (map[string]string, error) {
	paths := map[string]string{}
	for _, group := range []assets.Group{assets.Kube, assets.Containerd} {
		for _, name := range group.Programs() {
			path, err := assets.Find(name)
			if err != nil {
				return nil, err
			}
			paths[name] = path
		}
	}
	return paths, nil
}
