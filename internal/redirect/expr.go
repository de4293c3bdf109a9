package redirect

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/meshwright/meshwright/internal/redirect/capture"
)

// register is where a rule's value is loaded before it is compared.
const register = 1

// ruleExprs is the rule in the kernel's terms.
func ruleExprs(rule capture.Rule) ([]expr.Any, error) {
	var exprs []expr.Any
	if rule.RedirectTo != 0 {
		exprs = append(exprs, isTCP()...)
	}
	for _, m := range rule.Matches {
		more, err := matchExprs(m)
		if err != nil {
			return nil, err
		}
		exprs = append(exprs, more...)
	}
	if rule.RedirectTo == 0 {
		return append(exprs, &expr.Verdict{Kind: expr.VerdictReturn}), nil
	}
	return append(exprs,
		&expr.Immediate{Register: register, Data: binaryutil.BigEndian.PutUint16(rule.RedirectTo)},
		&expr.Redir{RegisterProtoMin: register},
	), nil
}

func matchExprs(m capture.Match) ([]expr.Any, error) {
	switch m.Field {
	case capture.InInterface:
		return metaCompare(m, expr.MetaKeyIIFNAME, interfaceName(m.Interface)), nil
	case capture.OutInterface:
		return metaCompare(m, expr.MetaKeyOIFNAME, interfaceName(m.Interface)), nil
	case capture.UserID:
		return metaCompare(m, expr.MetaKeySKUID, binaryutil.NativeEndian.PutUint32(m.Number)), nil
	case capture.GroupID:
		return metaCompare(m, expr.MetaKeySKGID, binaryutil.NativeEndian.PutUint32(m.Number)), nil
	case capture.DestinationPort:
		// Bytes 2 and 3 of a TCP header.
		return append(isTCP(),
			&expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
			compare(m, binaryutil.BigEndian.PutUint16(uint16(m.Number))),
		), nil
	case capture.Source, capture.Destination:
		return addressExprs(m), nil
	}
	return nil, fmt.Errorf("unknown field %d", m.Field)
}

// addressExprs compares an address of the IP header under the prefix's mask,
// for packets of the prefix's family alone.
func addressExprs(m capture.Match) []expr.Any {
	family, sourceOffset, length := byte(unix.NFPROTO_IPV4), 12, net.IPv4len
	if m.Prefix.Addr().Is6() {
		family, sourceOffset, length = unix.NFPROTO_IPV6, 8, net.IPv6len
	}
	offset := sourceOffset
	if m.Field == capture.Destination {
		offset += length
	}
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: register},
		&expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: []byte{family}},
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: uint32(offset), Len: uint32(length)},
		&expr.Bitwise{
			SourceRegister: register, DestRegister: register, Len: uint32(length),
			Mask: mask(m.Prefix), Xor: make([]byte, length),
		},
		compare(m, m.Prefix.Masked().Addr().AsSlice()),
	}
}

func mask(prefix netip.Prefix) []byte {
	return net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen())
}

func isTCP() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register},
		&expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: []byte{unix.IPPROTO_TCP}},
	}
}

func metaCompare(m capture.Match, key expr.MetaKey, data []byte) []expr.Any {
	return []expr.Any{&expr.Meta{Key: key, Register: register}, compare(m, data)}
}

func compare(m capture.Match, data []byte) *expr.Cmp {
	op := expr.CmpOpEq
	if m.Not {
		op = expr.CmpOpNeq
	}
	return &expr.Cmp{Op: op, Register: register, Data: data}
}

// interfaceName is the name as the kernel compares it: padded to IFNAMSIZ.
func interfaceName(name string) []byte {
	b := make([]byte, unix.IFNAMSIZ)
	copy(b, name)
	return b
}
