package capture

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"istio.io/api/annotation"
)

// Capture says which connections of a pod go through its proxy. The zero value
// captures nothing; FromAnnotations of nil captures all. Exclusions win over
// inclusions.
type Capture struct {
	// AllOutbound leads every outbound address to the proxy;
	// IncludeOutboundRanges counts only without it.
	AllOutbound           bool
	IncludeOutboundRanges []netip.Prefix
	ExcludeOutboundRanges []netip.Prefix
	// IncludeOutboundPorts are captured whatever their address.
	IncludeOutboundPorts []uint16
	ExcludeOutboundPorts []uint16

	// AllInbound leads every inbound port to the proxy; IncludeInboundPorts
	// counts only without it.
	AllInbound          bool
	IncludeInboundPorts []uint16
	ExcludeInboundPorts []uint16

	// ExcludeInterfaces are left alone in both directions.
	ExcludeInterfaces []string
}

// all is the value of an annotation that takes in everything.
const all = "*"

// FromAnnotations reads the traffic annotations of a pod; those it does not
// know are not looked at. An error names the annotation, its value and what
// would be right.
func FromAnnotations(annotations map[string]string) (Capture, error) {
	if err := refuseUnserved(annotations); err != nil {
		return Capture{}, err
	}
	r := reader{annotations: annotations}
	var c Capture
	c.AllOutbound, c.IncludeOutboundRanges = r.ranges(annotation.SidecarTrafficIncludeOutboundIPRanges.Name, all)
	_, c.ExcludeOutboundRanges = r.ranges(annotation.SidecarTrafficExcludeOutboundIPRanges.Name, "")
	_, c.IncludeOutboundPorts = r.ports(annotation.SidecarTrafficIncludeOutboundPorts.Name, "")
	_, c.ExcludeOutboundPorts = r.ports(annotation.SidecarTrafficExcludeOutboundPorts.Name, "")
	c.AllInbound, c.IncludeInboundPorts = r.ports(annotation.SidecarTrafficIncludeInboundPorts.Name, all)
	_, c.ExcludeInboundPorts = r.ports(annotation.SidecarTrafficExcludeInboundPorts.Name, "")
	c.ExcludeInterfaces = r.interfaces(annotation.SidecarTrafficExcludeInterfaces.Name)
	return c, r.err
}

// refuseUnserved stops a pod whose traffic would flow otherwise than its
// annotations say.
func refuseUnserved(annotations map[string]string) error {
	for _, name := range []string{
		annotation.SidecarTrafficKubevirtInterfaces.Name,
		annotation.IoIstioRerouteVirtualInterfaces.Name,
	} {
		if value, ok := annotations[name]; ok {
			return fmt.Errorf("annotation %s: %q: virtual interfaces are not served; remove the annotation", name, value)
		}
	}
	name := annotation.SidecarInterceptionMode.Name
	if value, ok := annotations[name]; ok && value != "REDIRECT" {
		return fmt.Errorf("annotation %s: %q is not served; set it to \"REDIRECT\" or remove it", name, value)
	}
	return nil
}

// reader reads annotations one after another and keeps the first error.
type reader struct {
	annotations map[string]string
	err         error
}

// list is the comma-separated value, or fallback where there is none. Istio
// gives an annotation that is there and empty the meaning "nothing".
func (r *reader) list(name, fallback string) (everything bool, items []string) {
	value, ok := r.annotations[name]
	if !ok {
		value = fallback
	}
	value = strings.TrimSpace(value)
	switch value {
	case "":
		return false, nil
	case all:
		return true, nil
	}
	for item := range strings.SplitSeq(value, ",") {
		items = append(items, strings.TrimSpace(item))
	}
	return false, items
}

func (r *reader) refuse(name, wrong, fix string) {
	if r.err == nil {
		r.err = fmt.Errorf("annotation %s: %q in %q %s", name, wrong, r.annotations[name], fix)
	}
}

func (r *reader) ranges(name, fallback string) (bool, []netip.Prefix) {
	everything, items := r.list(name, fallback)
	if everything && fallback != all {
		r.refuse(name, all, "is not a range; give the ranges, such as 10.0.0.0/8")
	}
	var prefixes []netip.Prefix
	for _, item := range items {
		prefix, err := netip.ParsePrefix(item)
		if err != nil || prefix.Addr().Is4In6() {
			r.refuse(name, item, "is not an address range; write it as in 10.0.0.0/8 or 10.1.2.3/32, several with commas")
			continue
		}
		prefixes = append(prefixes, prefix.Masked())
	}
	return everything, prefixes
}

func (r *reader) ports(name, fallback string) (bool, []uint16) {
	everything, items := r.list(name, fallback)
	if everything && fallback != all {
		r.refuse(name, all, "is not a port; give the ports, such as 3306,6379")
	}
	var ports []uint16
	for _, item := range items {
		port, err := strconv.ParseUint(item, 10, 16)
		if err != nil || port == 0 {
			r.refuse(name, item, "is not a port; give numbers from 1 to 65535, several with commas")
			continue
		}
		ports = append(ports, uint16(port))
	}
	return everything, ports
}

// maxInterfaceName is IFNAMSIZ without its closing zero byte.
const maxInterfaceName = 15

func (r *reader) interfaces(name string) []string {
	_, items := r.list(name, "")
	for _, item := range items {
		if item == "" || len(item) > maxInterfaceName || strings.ContainsAny(item, "/\" \t\n") {
			r.refuse(name, item, "is not the name of an interface; give names such as eth1, several with commas")
		}
	}
	return items
}
