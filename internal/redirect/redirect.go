package redirect

import (
	"errors"
	"fmt"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/meshwright/meshwright/internal/redirect/capture"
)

// Apply replaces the table of the current network namespace by the chains.
// Applying the same chains again changes nothing that a connection could
// notice. It also gives the loopback interface the IPv6 address from which
// Envoy hands inbound connections to the application. On error the rules are as
// they were.
func Apply(chains []capture.Chain) error {
	if err := addPassOnAddress(); err != nil {
		return err
	}
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	// A table must be there to be deleted, and adding one that is there is no
	// error.
	table := &nftables.Table{Family: nftables.TableFamilyINet, Name: capture.TableName}
	conn.AddTable(table)
	conn.DelTable(table)
	conn.AddTable(table)
	for _, chain := range chains {
		if err := addChain(conn, table, chain); err != nil {
			return err
		}
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("write nftables table inet %s (needs CAP_NET_ADMIN and Linux 5.2): %w", capture.TableName, err)
	}
	return nil
}

func addChain(conn *nftables.Conn, table *nftables.Table, chain capture.Chain) error {
	hook := nftables.ChainHookOutput
	if chain.Hook == capture.Prerouting {
		hook = nftables.ChainHookPrerouting
	}
	policy := nftables.ChainPolicyAccept
	c := conn.AddChain(&nftables.Chain{
		Name:     string(chain.Hook),
		Table:    table,
		Type:     nftables.ChainTypeNAT,
		Hooknum:  hook,
		Priority: nftables.ChainPriorityNATDest,
		Policy:   &policy,
	})
	for _, rule := range chain.Rules {
		exprs, err := ruleExprs(rule)
		if err != nil {
			return fmt.Errorf("rule %q: %w", rule, err)
		}
		conn.AddRule(&nftables.Rule{Table: table, Chain: c, Exprs: exprs})
	}
	return nil
}

// addPassOnAddress makes ::6 an address of this pod. Its IPv4 counterpart,
// 127.0.0.6, is one by nature. A pod without IPv6 goes without.
func addPassOnAddress() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find loopback interface: %w", err)
	}
	address, err := netlink.ParseAddr(capture.PassOnIPv6.String())
	if err != nil {
		return err
	}
	address.Flags = unix.IFA_F_NODAD
	err = netlink.AddrReplace(lo, address)
	// The kernel's answers where IPv6 is switched off, or not built in.
	for _, off := range []error{unix.EACCES, unix.EOPNOTSUPP, unix.EAFNOSUPPORT} {
		if errors.Is(err, off) {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("add address %s to the loopback interface: %w", address, err)
	}
	return nil
}
