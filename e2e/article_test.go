package e2e

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	gwtypes "github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53types "github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/miekg/dns"
)

// Article 1, by hand: a root and a subordinate CA, a client certificate of
// theirs, a trust store, an API on its own domain; a call without the certificate
// is refused, with it succeeds, and after the revocation is refused again.
func TestArticle1(t *testing.T) {
	t.Parallel()
	s := start(t)
	h := s.hierarchy()
	certificate, arn := s.clientCertificate(h.subARN, "client.example.test")
	s.bucket("truststore")
	s.put("truststore", "truststore.pem", bundle(h.sub, h.root))
	api := s.echoAPI("echo")
	s.domain("api.example.test", s.serverCertificate("example.test", "api.example.test"), api, "s3://truststore/truststore.pem")

	without, with := s.caller(nil), s.caller(certificate)
	without.get("api.example.test", "", "/").wantRefused(t, "certificate required")
	got := with.get("api.example.test", "", "/pets?kind=dog")
	got.want(t, 200, `"rawQueryString":"kind=dog"`)
	seen := clientCert(t, got.body)
	if seen["subjectDN"] != "CN=client.example.test" || seen["issuerDN"] != `C=DE,O=Example\, Inc.,CN=mtlsca` {
		t.Errorf("the function saw %v", seen)
	}
	if pem, _ := seen["clientCertPem"].(string); pem != string(pemOf(certificate.Certificate[0])) {
		t.Errorf("the function saw the certificate\n%v", seen["clientCertPem"])
	}

	// The same over HTTP/2, and over TLS 1.2.
	h2 := s.caller(certificate)
	h2.http2 = true
	if got := h2.get("api.example.test", "", "/"); got.proto != "HTTP/2.0" || got.status != 200 {
		t.Errorf("HTTP/2: %+v", got)
	}
	old := s.caller(certificate)
	old.maxVersion = tls.VersionTLS12
	old.get("api.example.test", "", "/").want(t, 200, "requestContext")

	// The revocation holds at once, for the next handshake and for a resumed session.
	resuming := s.caller(certificate)
	resuming.sessions = tls.NewLRUClientSessionCache(4)
	resuming.get("api.example.test", "", "/").want(t, 200, "")
	if got := resuming.get("api.example.test", "", "/"); !got.resumed {
		t.Error("the second connection did not resume the session; the test below would test nothing")
	}
	s.revoke(h.subARN, arn)
	with.get("api.example.test", "", "/").want(t, 403, `{"message":"Forbidden"}`)
	resuming.get("api.example.test", "", "/").want(t, 403, `{"message":"Forbidden"}`)

	// Another certificate of the same CA is admitted still, and after a restart both stand as they stood.
	other, _ := s.clientCertificate(h.subARN, "other.example.test")
	s.caller(other).get("api.example.test", "", "/").want(t, 200, "")
	if err := s.node.Close(); err != nil {
		t.Fatal(err)
	}
	s.run()
	s.caller(other).get("api.example.test", "", "/").want(t, 200, "")
	s.caller(certificate).get("api.example.test", "", "/").want(t, 403, "Forbidden")
}

// Revoking the subordinate CA's own certificate refuses all that it issued.
func TestRevokedIntermediate(t *testing.T) {
	t.Parallel()
	s := start(t)
	h := s.hierarchy()
	certificate, _ := s.clientCertificate(h.subARN, "client.example.test")
	s.bucket("truststore")
	s.put("truststore", "t.pem", bundle(h.sub, h.root))
	s.domain("api.example.test", s.serverCertificate("example.test", "api.example.test"), s.echoAPI("echo"), "s3://truststore/t.pem")
	client := s.caller(certificate)
	client.get("api.example.test", "", "/").want(t, 200, "")
	s.revokeSerial(h.rootARN, parse(t, h.sub).SerialNumber.Text(16))
	client.get("api.example.test", "", "/").want(t, 403, "Forbidden")
}

// A domain keeps the trust store version it was given until it is updated.
func TestTrustStoreVersions(t *testing.T) {
	t.Parallel()
	s := start(t)
	ctx := context.Background()
	h1, h2 := s.hierarchy(), s.hierarchy()
	first, _ := s.clientCertificate(h1.subARN, "one.example.test")
	second, _ := s.clientCertificate(h2.subARN, "two.example.test")
	s.bucket("truststore")
	v1 := s.put("truststore", "t.pem", bundle(h1.sub, h1.root))
	name := "api.example.test"
	s.domain(name, s.serverCertificate("example.test", name), s.echoAPI("echo"), "s3://truststore/t.pem")
	v2 := s.put("truststore", "t.pem", bundle(h2.sub, h2.root))

	resuming := s.caller(first)
	resuming.sessions = tls.NewLRUClientSessionCache(4)
	resuming.get(name, "", "/").want(t, 200, "")
	s.caller(second).get(name, "", "/").want(t, 403, "Forbidden")
	must(s.gateway.UpdateDomainName(ctx, &apigatewayv2.UpdateDomainNameInput{DomainName: &name, MutualTlsAuthentication: &gwtypes.MutualTlsAuthenticationInput{TruststoreVersion: &v2}}))(t)
	s.caller(second).get(name, "", "/").want(t, 200, "")
	if got := resuming.get(name, "", "/"); got.resumed || got.status != 403 {
		t.Errorf("after the new trust store: %+v; want a full handshake and 403", got)
	}
	must(s.gateway.UpdateDomainName(ctx, &apigatewayv2.UpdateDomainNameInput{DomainName: &name, MutualTlsAuthentication: &gwtypes.MutualTlsAuthenticationInput{TruststoreVersion: &v1}}))(t)
	s.caller(first).get(name, "", "/").want(t, 200, "")
}

// The default endpoint asks for no certificate, unless it is switched off.
func TestDefaultEndpoint(t *testing.T) {
	t.Parallel()
	s := start(t)
	api := s.echoAPI("echo")
	host := api + ".execute-api." + region + ".amazonaws.com"
	s.caller(nil).get(host, "", "/").want(t, 200, "requestContext")
	must(s.gateway.UpdateApi(context.Background(), &apigatewayv2.UpdateApiInput{ApiId: &api, DisableExecuteApiEndpoint: aws.Bool(true)}))(t)
	s.caller(nil).get(host, "", "/").want(t, 404, `{"message":"Not Found"}`)
}

// A client of one domain never reaches another one.
func TestHostOfAnotherDomain(t *testing.T) {
	t.Parallel()
	s := start(t)
	h := s.hierarchy()
	certificate, _ := s.clientCertificate(h.subARN, "client.example.test")
	s.bucket("truststore")
	s.put("truststore", "t.pem", bundle(h.sub, h.root))
	api := s.echoAPI("echo")
	s.domain("mutual.example.test", s.serverCertificate("example.test", "mutual.example.test"), api, "s3://truststore/t.pem")
	s.domain("second.other.test", s.serverCertificate("other.test", "second.other.test"), api, "s3://truststore/t.pem")
	s.domain("open.third.test", s.serverCertificate("third.test", "open.third.test"), api, "")

	for _, http2 := range []bool{false, true} {
		open, mutual := s.caller(nil), s.caller(certificate)
		open.http2, mutual.http2 = http2, http2
		open.get("open.third.test", "", "/").want(t, 200, "")
		open.get("open.third.test", "mutual.example.test", "/").want(t, 421, "")
		mutual.get("mutual.example.test", "second.other.test", "/").want(t, 421, "")
		mutual.get("mutual.example.test", api+".execute-api."+region+".amazonaws.com", "/").want(t, 421, "")
		mutual.get("mutual.example.test", "MUTUAL.example.test", "/").want(t, 200, "")
	}

	// A session of one domain opens no other: its ticket is of no use there.
	mutual := s.caller(certificate)
	mutual.sessions = sharedSession{tls.NewLRUClientSessionCache(1)}
	mutual.get("mutual.example.test", "", "/").want(t, 200, "")
	if got := mutual.get("second.other.test", "", "/"); got.resumed {
		t.Error("a session was resumed on another domain")
	}
	if got := s.caller(nil).get("unknown.example.test", "", "/"); got.refused == nil {
		t.Errorf("an unknown name was served: %+v", got)
	}
}

// A sharedSession offers every server the last session, whichever server it came from.
type sharedSession struct{ tls.ClientSessionCache }

func (c sharedSession) Get(string) (*tls.ClientSessionState, bool) {
	return c.ClientSessionCache.Get("")
}
func (c sharedSession) Put(_ string, s *tls.ClientSessionState) { c.ClientSessionCache.Put("", s) }

// The alias of a domain name resolves to the gateway, over UDP and TCP.
func TestNames(t *testing.T) {
	t.Parallel()
	s := start(t)
	ctx := context.Background()
	name := "api.example.test"
	s.domain(name, s.serverCertificate("example.test", name), s.echoAPI("echo"), "")
	domain := must(s.gateway.GetDomainName(ctx, &apigatewayv2.GetDomainNameInput{DomainName: &name}))(t)
	zones := must(s.route53.ListHostedZones(ctx, &route53.ListHostedZonesInput{}))(t)
	target := domain.DomainNameConfigurations[0]
	change := must(s.route53.ChangeResourceRecordSets(ctx, &route53.ChangeResourceRecordSetsInput{
		HostedZoneId: zones.HostedZones[0].Id,
		ChangeBatch: &r53types.ChangeBatch{Changes: []r53types.Change{{Action: r53types.ChangeActionCreate, ResourceRecordSet: &r53types.ResourceRecordSet{
			Name: &name, Type: r53types.RRTypeA, AliasTarget: &r53types.AliasTarget{DNSName: target.ApiGatewayDomainName, HostedZoneId: target.HostedZoneId},
		}}}},
	}))(t)
	if got := must(s.route53.GetChange(ctx, &route53.GetChangeInput{Id: change.ChangeInfo.Id}))(t); got.ChangeInfo.Status != r53types.ChangeStatusInsync {
		t.Errorf("the change is %s", got.ChangeInfo.Status)
	}
	gateway, _, err := net.SplitHostPort(s.node.Endpoints().Gateway)
	if err != nil {
		t.Fatal(err)
	}
	for _, network := range []string{"udp", "tcp"} {
		question := new(dns.Msg).SetQuestion(name+".", dns.TypeA)
		answer, _, err := (&dns.Client{Net: network}).Exchange(question, s.node.Endpoints().DNS)
		if err != nil {
			t.Fatal(err)
		}
		if len(answer.Answer) != 1 || !strings.HasSuffix(answer.Answer[0].String(), "\tA\t"+gateway) || !answer.Authoritative {
			t.Errorf("%s: %v", network, answer)
		}
	}
}
