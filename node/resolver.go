package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"countersign/service/zones"

	"github.com/miekg/dns"
)

// A resolver answers ACM's domain validation: from the zones of this node, and
// for names that are in none of them from the system's name servers.
type resolver struct {
	zones *zones.Service

	// servers are the system's name servers, host:port. It asks them for the CNAME
	// record itself: the resolver of package net follows it to an address, and the
	// targets of validation records have none.
	servers func() ([]string, error)
}

// systemServers reads where the system asks. It is read each time: laptops move.
func systemServers() ([]string, error) {
	config, err := dns.ClientConfigFromFile("/etc/resolv.conf")
	if err != nil {
		return nil, fmt.Errorf("find the system's name servers: %w", err)
	}
	var servers []string
	for _, s := range config.Servers {
		servers = append(servers, net.JoinHostPort(s, config.Port))
	}
	return servers, nil
}

// LookupCNAME gives the target of the CNAME record at name, or "" when there is none.
func (r resolver) LookupCNAME(ctx context.Context, name string) (string, error) {
	target, ours, err := r.zones.LookupCNAME(ctx, name)
	if ours || err != nil {
		return target, err
	}
	servers, err := r.servers()
	if err != nil {
		return "", err
	}
	errs := []error{fmt.Errorf("no name server answered for %s", name)}
	for _, server := range servers {
		target, err := askCNAME(ctx, server, name)
		if err == nil {
			return target, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", server, err))
	}
	return "", errors.Join(errs...)
}

func askCNAME(ctx context.Context, server, name string) (string, error) {
	question := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeCNAME)
	answer, _, err := new(dns.Client).ExchangeContext(ctx, question, server)
	if err == nil && answer.Truncated {
		answer, _, err = (&dns.Client{Net: "tcp"}).ExchangeContext(ctx, question, server)
	}
	if err != nil {
		return "", err
	}
	if answer.Rcode != dns.RcodeSuccess && answer.Rcode != dns.RcodeNameError {
		return "", fmt.Errorf("the answer is %s", dns.RcodeToString[answer.Rcode])
	}
	for _, rr := range answer.Answer {
		if c, ok := rr.(*dns.CNAME); ok && strings.EqualFold(c.Hdr.Name, dns.Fqdn(name)) {
			return c.Target, nil
		}
	}
	return "", nil
}
