package capture

import (
	"fmt"
	"strings"
)

// Text writes the chains as an nft script: `nft -f` of it does what package
// redirect does. It ends in a newline.
func Text(chains []Chain) string {
	var b strings.Builder
	// The first line makes the second succeed where there is no table yet.
	fmt.Fprintf(&b, "table inet %s\ndelete table inet %s\ntable inet %s {\n", TableName, TableName, TableName)
	for i, chain := range chains {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "\tchain %s {\n\t\ttype nat hook %s priority -100; policy accept;\n", chain.Hook, chain.Hook)
		for _, rule := range chain.Rules {
			fmt.Fprintf(&b, "\t\t%s\n", rule)
		}
		b.WriteString("\t}\n")
	}
	b.WriteString("}\n")
	return b.String()
}

// String is the rule as nft writes it.
func (r Rule) String() string {
	var parts []string
	if r.RedirectTo != 0 {
		parts = append(parts, "meta l4proto tcp")
	}
	for _, m := range r.Matches {
		parts = append(parts, m.String())
	}
	if r.RedirectTo != 0 {
		return strings.Join(append(parts, fmt.Sprintf("redirect to :%d", r.RedirectTo)), " ")
	}
	return strings.Join(append(parts, "return"), " ")
}

// String is the match as nft writes it.
func (m Match) String() string {
	not := ""
	if m.Not {
		not = "!= "
	}
	family := "ip"
	if m.Prefix.Addr().Is6() {
		family = "ip6"
	}
	address := m.Prefix.String()
	if m.Prefix.IsSingleIP() {
		address = m.Prefix.Addr().String()
	}
	switch m.Field {
	case InInterface:
		return fmt.Sprintf("iifname %s%q", not, m.Interface)
	case OutInterface:
		return fmt.Sprintf("oifname %s%q", not, m.Interface)
	case Source:
		return fmt.Sprintf("%s saddr %s%s", family, not, address)
	case Destination:
		return fmt.Sprintf("%s daddr %s%s", family, not, address)
	case DestinationPort:
		return fmt.Sprintf("tcp dport %s%d", not, m.Number)
	case UserID:
		return fmt.Sprintf("meta skuid %s%d", not, m.Number)
	case GroupID:
		return fmt.Sprintf("meta skgid %s%d", not, m.Number)
	}
	return fmt.Sprintf("unknown field %d", m.Field)
}
