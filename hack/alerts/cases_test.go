package alerts

// cases are the alerts and what they say to the series of a cluster, one sample
// a minute, at the last of them.
var cases = map[string]struct {
	alert string
	// fires is how many times the alert fires.
	fires  int
	series string
}{
	"an update that was rolled back stalls": {"MeshwrightUpdateStalled", 1, `
		meshinstall_condition{name="prod",type="Stalled",status="True"} _x5 1x5
		meshinstall_condition{name="prod",type="Ready",status="False"} 1x10`},
	"a mesh stalls for a moment": {"MeshwrightUpdateStalled", 0, `
		meshinstall_condition{name="prod",type="Stalled",status="True"} _x7 1x3`},
	"a mesh that is well is not stalled": {"MeshwrightUpdateStalled", 0, `
		meshinstall_condition{name="prod",type="Stalled",status="False"} 1x10
		meshinstall_condition{name="prod",type="Ready",status="True"} 1x10`},

	"a control plane is gone": {"MeshwrightControlPlaneDown", 1, `
		meshinstall_info{name="prod",version="v0.1.0",profile="default",revision="prod-1"} 1x10
		meshinstall_condition{name="prod",type="Available",status="False"} _x3 1x6`},
	"a control plane of which nothing is known": {"MeshwrightControlPlaneDown", 1, `
		meshinstall_info{name="prod",version="v0.1.0",profile="default",revision="prod-1"} 1x10
		meshinstall_condition{name="prod",type="Available",status="Unknown"} 1x10`},
	"a mesh is being installed": {"MeshwrightControlPlaneDown", 0, `
		meshinstall_info{name="prod",version="",profile="default",revision=""} 1x10
		meshinstall_condition{name="prod",type="Available",status="False"} 1x10`},
	"a control plane serves": {"MeshwrightControlPlaneDown", 0, `
		meshinstall_info{name="prod",version="v0.1.0",profile="default",revision="prod-1"} 1x10
		meshinstall_condition{name="prod",type="Available",status="True"} 1x10`},

	"a third of the proxies goes": {"MeshwrightProxiesDisconnected", 1, `
		meshwright_xds_proxies{pod="a"} 60x25
		meshwright_xds_proxies{pod="b"} 60x9 20x15`},
	"a discovery ends and its proxies go to the other": {"MeshwrightProxiesDisconnected", 0, `
		meshwright_xds_proxies{pod="a"} 60x9 119x15
		meshwright_xds_proxies{pod="b"} 60x9 stale`},
	"proxies reconnect": {"MeshwrightProxiesDisconnected", 0, `
		meshwright_xds_proxies{pod="a"} 60x19 10x3 60x5`},

	"a proxy refuses a cluster": {"MeshwrightConfigRejected", 1, `
		meshwright_xds_nacks_total{pod="a",type="CDS"} 0x10 1x5
		meshwright_xds_nacks_total{pod="a",type="EDS"} 0x15`},
	"proxies of two discoveries refuse it": {"MeshwrightConfigRejected", 1, `
		meshwright_xds_nacks_total{pod="a",type="CDS"} 0x10 1x5
		meshwright_xds_nacks_total{pod="b",type="CDS"} 0x10 1x5`},
	"a cluster was refused an hour ago": {"MeshwrightConfigRejected", 0, `
		meshwright_xds_nacks_total{pod="a",type="CDS"} 0x10 1x60`},

	"somebody changes a Deployment again and again": {"MeshwrightDriftFight", 1, `
		meshinstall_drift_corrections_total{kind="Deployment"} 0x9 1+1x4 5x20
		meshinstall_drift_corrections_total{kind="Service"} 0x40`},
	"somebody changes a Deployment twice": {"MeshwrightDriftFight", 0, `
		meshinstall_drift_corrections_total{kind="Deployment"} 0x9 1+1x1 2x50`},

	"a pod could not be injected": {"MeshwrightInjectionFailing", 1, `
		sidecar_injection_failure_total{pod="a"} 0x9 1x5`},
	"pods are injected": {"MeshwrightInjectionFailing", 0, `
		sidecar_injection_failure_total{pod="a"} 3x20`},

	"a build broke": {"MeshwrightBuildsBroken", 1, `
		meshwright_xds_broken_builds_total{pod="a"} 0x9 1x5`},
	"builds work": {"MeshwrightBuildsBroken", 0, `
		meshwright_xds_broken_builds_total{pod="a"} 0x20`},

	"an update is rolled back": {"MeshwrightRolledBack", 1, `
		meshinstall_rollbacks_total{reason="configAcknowledged"} 0x9 1x20
		meshinstall_rollbacks_total{reason="NotUp"} 0x29`},
	"an update was rolled back yesterday": {"MeshwrightRolledBack", 0, `
		meshinstall_rollbacks_total{reason="configAcknowledged"} 0x9 1x1500`},

	"a root ends in two months": {"MeshwrightCertificateExpiring", 1, `
		meshwright_ca_root_expiry_timestamp_seconds{pod="a"} 5184000x5
		meshwright_ca_root_expiry_timestamp_seconds{pod="b"} 5184000x5`},
	"a root ends in ten years": {"MeshwrightCertificateExpiring", 0, `
		meshwright_ca_root_expiry_timestamp_seconds{pod="a"} 315360000x5`},
	"there is no root yet": {"MeshwrightCertificateExpiring", 0, `
		meshwright_ca_root_expiry_timestamp_seconds{pod="a"} NaN NaN NaN`},

	"support ends in a week": {"MeshwrightVersionNearEOL", 1, `
		meshinstall_version_end_of_life_timestamp_seconds{name="prod",version="v0.1.0"} 604800x5`},
	"support ended": {"MeshwrightVersionNearEOL", 1, `
		meshinstall_version_end_of_life_timestamp_seconds{name="prod",version="v0.1.0"} 60x5`},
	"support ends in a year": {"MeshwrightVersionNearEOL", 0, `
		meshinstall_version_end_of_life_timestamp_seconds{name="prod",version="v0.1.0"} 31536000x5`},

	"pods run without the sidecar that they ask for": {"MeshwrightUnmeshed", 1, `
		meshinstall_workloads{name="prod",state="unmeshed"} 0x10 2x15
		meshinstall_workloads{name="prod",state="waiting"} 3x25`},
	"a pod without a sidecar is soon replaced": {"MeshwrightUnmeshed", 0, `
		meshinstall_workloads{name="prod",state="unmeshed"} 0x10 2x5 0x10`},
}
