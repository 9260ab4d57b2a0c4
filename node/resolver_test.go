package node

import (
	"context"
	"crypto/rand"
	"net"
	"testing"
	"time"

	"countersign/service/zones"
	"countersign/store/storetest"

	"github.com/miekg/dns"
)

// A name server beyond this node answers a CNAME whose target does not exist,
// as the targets of validation records do not.
func TestResolverAsksForTheRecordItself(t *testing.T) {
	t.Parallel()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: socket, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		answer := new(dns.Msg).SetReply(q)
		if q.Question[0].Name == "_proof.example.org." && q.Question[0].Qtype == dns.TypeCNAME {
			rr, _ := dns.NewRR("_proof.example.org. 60 IN CNAME _target.acm-validations.aws.")
			answer.Answer = append(answer.Answer, rr)
		} else {
			answer.Rcode = dns.RcodeNameError
		}
		w.WriteMsg(answer)
	})}
	go server.ActivateAndServe()
	t.Cleanup(func() { server.Shutdown() })
	r := resolver{
		zones:   zones.New(zones.Config{Store: storetest.New(t), Now: time.Now, Rand: rand.Reader}),
		servers: func() ([]string, error) { return []string{"127.0.0.1:1", socket.LocalAddr().String()}, nil },
	}
	for name, want := range map[string]string{"_proof.example.org": "_target.acm-validations.aws.", "_other.example.org.": ""} {
		if got, err := r.LookupCNAME(context.Background(), name); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
	r.servers = func() ([]string, error) { return nil, nil }
	if _, err := r.LookupCNAME(context.Background(), "_proof.example.org"); err == nil {
		t.Error("no answer of any server is no error")
	}
}
