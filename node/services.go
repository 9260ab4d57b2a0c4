package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"countersign/edge"
	"countersign/edge/snapshot"
	"countersign/keys"
	"countersign/service/authority"
	"countersign/service/certificates"
	"countersign/service/functions"
	"countersign/service/functions/runner"
	"countersign/service/gateway"
	"countersign/service/identity"
	"countersign/service/logs"
	"countersign/service/objects"
	"countersign/service/secrets"
	"countersign/service/zones"

	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// keysAhead is how many RSA keys are made before anybody asks.
const keysAhead = 4

// buildServices makes the services in the order in which they need each other.
// Where two need one another, the later one is reached through n when it is called.
func (n *Node) buildServices(ctx context.Context) error {
	c := n.config
	fresh := n.store.Revision() == 0
	master, err := masterKey(c, fresh)
	if err != nil {
		return err
	}
	if n.credentials, err = rootCredentials(c); err != nil {
		return err
	}
	installed, err := n.install(ctx)
	if err != nil {
		return err
	}
	sealer := keys.NewSealer(master)
	if n.metricsToken, err = metricsToken(c, sealer); err != nil {
		return err
	}
	n.pool = keys.NewPool(keysAhead, c.Rand)
	n.onStop("the key pool", func(context.Context) error { n.pool.Close(); return nil })

	n.identity, err = identity.New(identity.Config{
		Store: n.store, Account: c.Account, RootAccessKeyID: n.credentials.AccessKeyID, RootSecretAccessKey: n.credentials.SecretAccessKey,
		TokenKey: sealer.Derive("session tokens", 32), Dev: c.Dev, Now: c.Now, Rand: c.Rand,
	})
	if err != nil {
		return err
	}
	n.objects = objects.New(objects.Config{Store: n.store, Now: c.Now, Rand: c.Rand})
	n.authority = authority.New(authority.Config{
		Store: n.store, Sealer: sealer, Buckets: buckets{n.objects}, Generate: n.pool.Generate, Now: c.Now, Rand: c.Rand, Logger: c.Logger.With("part", "acm-pca"),
		CRLWritten: n.metrics.CRL,
	})
	n.zones = zones.New(zones.Config{Store: n.store, Now: c.Now, Rand: c.Rand})
	n.certificates = certificates.New(certificates.Config{
		Store: n.store, Sealer: sealer, Authority: n.authority, Resolver: resolver{n.zones, systemServers}, Zones: n.zones,
		InUse:    func(ctx context.Context, arn string) ([]string, error) { return n.gateway.InUse(ctx, arn) },
		Generate: n.pool.Generate, Now: c.Now, Rand: c.Rand, Logger: c.Logger.With("part", "acm"),
	})
	if err := n.checkMaster(ctx); err != nil {
		return err
	}
	n.defaultTLS = &localCertificate{from: n.certificates, now: c.Now, log: c.Logger}
	n.gateway = gateway.New(gateway.Config{
		Store: n.store, Certificates: serverCertificates{n.certificates}, Objects: n.objects, Now: c.Now, Rand: c.Rand,
		Derive: func(purpose string) [32]byte { return [32]byte(sealer.Derive(purpose, 32)) },
	})
	n.functions, err = functions.New(functions.Config{
		Store: n.store, Sealer: sealer, Objects: n.objects, Roles: lambdaRoles{n.identity}, Dir: filepath.Join(c.Data, "functions"), Endpoint: n.endpoints.Endpoint, Node: installed.ID,
		Now: c.Now, Rand: c.Rand, Logger: c.Logger.With("part", "lambda"),
	})
	if err != nil {
		return err
	}
	n.onStop("functions", n.functions.Close)
	n.secrets, err = secrets.New(secrets.Config{Store: n.store, Sealer: sealer, Gate: n.gate, Now: c.Now, Rand: c.Rand})
	if err != nil {
		return err
	}
	n.logs, err = logs.New(logs.Config{Store: n.store, Functions: n.functions, Now: c.Now, Rand: c.Rand})
	if err != nil {
		return err
	}
	return n.buildStacks(sealer)
}

// gate lets calls through that services make for their callers, as those over the wire.
func (n *Node) gate(ctx context.Context, input any) (context.Context, error) {
	return n.endpoint.Gate(ctx, input)
}

// checkMaster opens the first secret of every installation, the local root's
// key: with another master key than the one that sealed the folder nothing starts.
func (n *Node) checkMaster(ctx context.Context) error {
	_, err := n.certificates.LocalRoot(ctx)
	if errors.Is(err, keys.ErrMaster) {
		from := filepath.Join(n.config.Data, masterFile)
		if len(n.config.MasterKey) > 0 {
			from = "the environment"
		}
		return fmt.Errorf("the data folder %s was sealed with another master key than the one from %s: give it the key it was made with, in %s or in COUNTERSIGN_MASTER_KEY", n.config.Data, from, masterFile)
	}
	if err != nil {
		return fmt.Errorf("read the local root: %w", err)
	}
	return nil
}

// serverCertificates gives the gateway what it needs of the certificate inventory.
type serverCertificates struct{ from *certificates.Service }

func (s serverCertificates) ServerCertificate(ctx context.Context, arn string) (gateway.ServerCertificate, error) {
	c, info, err := s.from.ServerCertificate(ctx, arn)
	if err != nil {
		return gateway.ServerCertificate{}, err
	}
	out := gateway.ServerCertificate{Type: info.Type, Status: info.Status}
	if len(c.Certificate) > 0 {
		out.TLS = &c
	}
	return out, nil
}

// lambdaRoles lets functions have the credentials of roles that trust Lambda.
type lambdaRoles struct{ from *identity.Service }

const lambdaService = "lambda.amazonaws.com"

func (r lambdaRoles) Trusts(ctx context.Context, roleARN string) (bool, error) {
	return r.from.Trusts(ctx, lambdaService, roleARN)
}

func (r lambdaRoles) Session(ctx context.Context, roleARN, name string, life time.Duration) (accessKeyID, secret, token string, expires time.Time, err error) {
	accessKeyID, secret, token, expires, err = r.from.Session(ctx, lambdaService, roleARN, name, life)
	if errors.Is(err, identity.ErrNotTrusted) {
		err = fmt.Errorf("%w: %w", runner.ErrRole, err)
	}
	return accessKeyID, secret, token, expires, err
}

// buckets lets authorities write their CRLs as the bucket's policy says.
type buckets struct{ objects *objects.Service }

func (b buckets) CheckDelivery(ctx context.Context, d authority.Delivery) (region, lacking string, err error) {
	return b.objects.CheckDelivery(ctx, objects.Delivery(d))
}

func (b buckets) Deliver(ctx context.Context, d authority.Delivery, contentType string, body io.Reader, size int64) (lacking string, err error) {
	return b.objects.Deliver(ctx, objects.Delivery(d), contentType, body, size)
}

// invoker lets the edge invoke functions as API Gateway does: the function's
// policy decides.
type invoker struct{ functions *functions.Service }

func (i invoker) Invoke(ctx context.Context, in edge.Invocation) ([]byte, string, error) {
	payload, functionError, err := i.functions.InvokeFor(ctx, in.FunctionARN, in.SourceARN, "apigateway.amazonaws.com", in.Payload)
	switch {
	case errors.Is(err, functions.ErrNotPermitted):
		err = fmt.Errorf("%w: %w", edge.ErrNotPermitted, err)
	case errors.As(err, new(*lambdatypes.TooManyRequestsException)):
		err = fmt.Errorf("%w: %w", edge.ErrThrottled, err)
	case errors.Is(err, context.DeadlineExceeded):
		err = fmt.Errorf("%w: %w", edge.ErrTimeout, err)
	}
	return payload, functionError, err
}

// defaultCertificate is what default endpoints (<api>.execute-api.<region>.
// amazonaws.com) present: one of the local root for every Region that has an API.
func (n *Node) defaultCertificate(ctx context.Context, apis map[string]*snapshot.API) (*tls.Certificate, error) {
	seen := map[string]bool{}
	var names []string
	for _, a := range apis {
		_, parent, _ := strings.Cut(a.Host, ".")
		if !seen[parent] {
			seen[parent] = true
			names = append(names, "*."+parent)
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	slices.Sort(names)
	return n.defaultTLS.get(ctx, names)
}

// loadTLS reads the certificate that the endpoint's HTTPS was given, if any,
// before anything is made.
func (n *Node) loadTLS(context.Context) error {
	c := n.config
	if c.TLSCertificate == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.TLSCertificate, c.TLSKey)
	if err != nil {
		return fmt.Errorf("--tls-certificate %s with --tls-key %s: %w; give PEM files of a certificate chain and its key, or leave both out", c.TLSCertificate, c.TLSKey, err)
	}
	n.givenTLS = &pair
	return nil
}

// endpointTLS is how the AWS endpoint speaks HTTPS.
func (n *Node) endpointTLS(ctx context.Context) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	if n.givenTLS != nil {
		config.Certificates = []tls.Certificate{*n.givenTLS}
		return config, nil
	}
	names := []string{"localhost", "*.localhost", "*.s3.localhost", "127.0.0.1", "::1"}
	if host, _, err := net.SplitHostPort(n.config.Listen); err == nil && host != "" && !loopback(n.config.Listen) {
		if ip := net.ParseIP(host); ip == nil || !ip.IsUnspecified() {
			names = append(names, host)
		}
	}
	local := &localCertificate{from: n.certificates, now: n.config.Now, log: n.config.Logger}
	if _, err := local.get(ctx, names); err != nil {
		return nil, err
	}
	config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		return local.get(hello.Context(), names)
	}
	return config, nil
}

// gatewayAddresses are what names that point at the gateway resolve to.
func gatewayAddresses(c Config) ([]netip.Addr, error) {
	if addresses, err := parseAddresses("--gateway-addresses", c.GatewayAddresses); err != nil || len(addresses) > 0 {
		return addresses, err
	}
	if host, _, err := net.SplitHostPort(c.GatewayListen); err == nil {
		if a, err := netip.ParseAddr(host); err == nil && !a.IsUnspecified() {
			return []netip.Addr{a}, nil
		}
	}
	return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
}

func parseAddresses(flag string, texts []string) ([]netip.Addr, error) {
	var addresses []netip.Addr
	for _, text := range texts {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("%s %q is not an IP address: give addresses such as 192.0.2.7, separated by commas", flag, text)
		}
		addresses = append(addresses, a)
	}
	return addresses, nil
}

// listenDNS opens one port for UDP and TCP. With port 0 the system chooses one
// that is free for both.
func listenDNS(address string) (net.Listener, net.PacketConn, error) {
	const what, flag = "the name server", "--dns-listen"
	for attempt := 0; ; attempt++ {
		l, err := listenTCP(what, flag, address)
		if err != nil {
			return nil, nil, err
		}
		packets, err := net.ListenPacket("udp", l.Addr().String())
		if err == nil {
			return l, packets, nil
		}
		l.Close()
		if !strings.HasSuffix(address, ":0") || attempt == 10 {
			return nil, nil, listenError(what+" (UDP)", flag, address, err)
		}
	}
}

// errorLog carries what net/http says of broken connections to the log.
func errorLog(l *slog.Logger) *log.Logger { return slog.NewLogLogger(l.Handler(), slog.LevelDebug) }
