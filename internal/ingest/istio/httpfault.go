package istio

import (
	"google.golang.org/genproto/googleapis/rpc/code"
	networkingv1alpha3 "istio.io/api/networking/v1alpha3"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/meshwright/meshwright/internal/mesh"
)

func (r reader) fault(at *field.Path, m *networkingv1alpha3.HTTPFaultInjection) *mesh.Fault {
	if m == nil {
		return nil
	}
	out := &mesh.Fault{Delay: r.delay(at.Child("delay"), m.GetDelay()), Abort: r.abort(at.Child("abort"), m.GetAbort())}
	if m.GetDelay() == nil && m.GetAbort() == nil {
		r.refuse(at, "makes no fault; set delay or abort")
	}
	if out.Delay == nil && out.Abort == nil {
		return nil
	}
	return out
}

func (r reader) delay(at *field.Path, m *networkingv1alpha3.HTTPFaultInjection_Delay) *mesh.Delay {
	if m == nil {
		return nil
	}
	out := &mesh.Delay{Fixed: r.timeout(at.Child("fixedDelay"), m.GetFixedDelay())}
	switch {
	case m.GetPercentage() != nil:
		out.Percent = r.share(at.Child("percentage"), m.GetPercentage())
	case m.GetPercent() != 0: //nolint:staticcheck // people have it
		out.Percent = r.share(at.Child("percent"), &networkingv1alpha3.Percent{Value: float64(m.GetPercent())}) //nolint:staticcheck // people have it
	default:
		r.suspect(at, "delays no request: percentage is missing; write percentage: {value: 100} for all")
		return nil
	}
	if _, ok := m.GetHttpDelayType().(*networkingv1alpha3.HTTPFaultInjection_Delay_ExponentialDelay); ok {
		return nil // not served
	}
	if m.GetFixedDelay() == nil {
		r.refuse(at.Child("fixedDelay"), "is required; write how long")
	}
	return out
}

func (r reader) abort(at *field.Path, m *networkingv1alpha3.HTTPFaultInjection_Abort) *mesh.Abort {
	if m == nil {
		return nil
	}
	out := &mesh.Abort{}
	switch by := m.GetErrorType().(type) {
	case *networkingv1alpha3.HTTPFaultInjection_Abort_HttpStatus:
		if by.HttpStatus < 200 || by.HttpStatus > 599 {
			r.refuse(at.Child("httpStatus"), "%d is not a final HTTP status; write one from 200 to 599", by.HttpStatus)
		}
		out.HTTPStatus = uint32(max(0, by.HttpStatus))
	case *networkingv1alpha3.HTTPFaultInjection_Abort_GrpcStatus:
		status, ok := code.Code_value[by.GrpcStatus]
		if !ok {
			r.refuse(at.Child("grpcStatus"), "%q is no status of gRPC; write one as UNAVAILABLE", by.GrpcStatus)
		}
		out.GRPCStatus = uint32(status)
	case *networkingv1alpha3.HTTPFaultInjection_Abort_Http2Error:
		return nil // not served
	default:
		r.refuse(at, "aborts with nothing; set httpStatus or grpcStatus")
	}
	if m.GetPercentage() == nil {
		r.suspect(at, "aborts no request: percentage is missing; write percentage: {value: 100} for all")
		return nil
	}
	out.Percent = r.share(at.Child("percentage"), m.GetPercentage())
	return out
}

// share is a percentage, from 0 to 100.
func (r reader) share(at *field.Path, m *networkingv1alpha3.Percent) float64 {
	value := m.GetValue()
	if !(value >= 0 && value <= 100) {
		r.refuse(at, "%v is not between 0 and 100", value)
		return 0
	}
	if value > 0 && value < 0.0001 {
		r.suspect(at, "%v is less than proxies can draw, and is taken as 0; the least is 0.0001", value)
	}
	return value
}
