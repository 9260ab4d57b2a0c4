package node

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"
)

// Config is the reference for everything a node can be told. Flags and
// environment variables of the command mirror it. The zero value of a field is
// its default where one is named; Default gives all of them.
type Config struct {
	// Data is the folder that holds all that the node must not lose. It is made
	// when it is missing; one process at a time may use it.
	Data string

	Listen        string // AWS endpoint, HTTP and HTTPS on one port: "127.0.0.1:4566"
	GatewayListen string // API gateway, TLS: "127.0.0.1:8443"
	DNSListen     string // name server, UDP and TCP: "127.0.0.1:5354"

	// Account owns everything; 12 digits. It is fixed at the first start.
	Account string

	// RootAccessKeyID and RootSecretAccessKey are the root key pair. Empty: a pair
	// is made at the first start and kept in the data folder.
	RootAccessKeyID     string
	RootSecretAccessKey string

	// MasterKey is the text of the key that seals private keys: 32 bytes as
	// base64 or hexadecimal. Empty: a file in the data folder, made at the first start.
	MasterKey []byte

	// TLSCertificate and TLSKey are PEM files for the endpoint's HTTPS. Empty: a
	// certificate of the node's local root for localhost and the loopback addresses.
	TLSCertificate string
	TLSKey         string

	// Dev accepts the well-known key pair test/test as root, and refuses to
	// listen beyond loopback.
	Dev bool

	// LeaveRevocation makes the gateway admit clients whose certificate was revoked,
	// as AWS's does: for trying out authorizers that look at revocation themselves.
	LeaveRevocation bool

	// GatewayAddresses are what the name server answers for domain names that
	// point at the gateway. Empty: the address of GatewayListen, or loopback.
	GatewayAddresses []string

	// EndpointAddresses are what the name server answers for names of the AWS
	// endpoint that certificates point at: buckets of S3, and OCSP. Empty: it does
	// not answer for them. Clients of such names come to port 80.
	EndpointAddresses []string

	// IssuerRoots are who may have signed the certificates of the token issuers
	// that JWT authorizers name. nil: the system's roots.
	IssuerRoots *x509.CertPool

	Now    func() time.Time // the one clock
	Rand   io.Reader        // the one source of randomness; safe for concurrent use
	Logger *slog.Logger
}

// Defaults of the addresses, the folder and the account.
const (
	DefaultData          = "./countersign-data"
	DefaultListen        = "127.0.0.1:4566"
	DefaultGatewayListen = "127.0.0.1:8443"
	DefaultDNSListen     = "127.0.0.1:5354"
	DefaultAccount       = "000000000000"
)

func (c *Config) check() error {
	for _, field := range []struct {
		value     *string
		otherwise string
	}{
		{&c.Data, DefaultData}, {&c.Listen, DefaultListen}, {&c.GatewayListen, DefaultGatewayListen},
		{&c.DNSListen, DefaultDNSListen}, {&c.Account, DefaultAccount},
	} {
		if *field.value == "" {
			*field.value = field.otherwise
		}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil || c.Rand == nil {
		return errors.New("a node needs a clock and a source of randomness")
	}
	if len(c.Account) != 12 || strings.Trim(c.Account, "0123456789") != "" {
		return fmt.Errorf("--account-id %q is not an AWS account id: give 12 digits", c.Account)
	}
	if (c.RootAccessKeyID == "") != (c.RootSecretAccessKey == "") {
		return errors.New("the root key pair needs both COUNTERSIGN_ROOT_ACCESS_KEY_ID and COUNTERSIGN_ROOT_SECRET_ACCESS_KEY")
	}
	if (c.TLSCertificate == "") != (c.TLSKey == "") {
		return errors.New("HTTPS of the endpoint needs both a certificate and a key: --tls-certificate and --tls-key")
	}
	for _, l := range []struct{ flag, address, otherwise string }{
		{"--listen", c.Listen, DefaultListen}, {"--gateway-listen", c.GatewayListen, DefaultGatewayListen}, {"--dns-listen", c.DNSListen, DefaultDNSListen},
	} {
		if err := checkAddress(l.flag, l.address, l.otherwise); err != nil {
			return err
		}
		if c.Dev && !loopback(l.address) {
			return fmt.Errorf("--dev accepts the key pair test/test, so it listens on loopback only: %s %s does not; leave --dev out, or use 127.0.0.1", l.flag, l.address)
		}
	}
	if _, err := gatewayAddresses(*c); err != nil {
		return err
	}
	_, err := parseAddresses("--endpoint-addresses", c.EndpointAddresses)
	return err
}

func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
