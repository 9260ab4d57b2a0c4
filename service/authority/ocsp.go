package authority

import (
	"net"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"

	"countersign/arn"
)

// An ocspConfig is the stored form of an OcspConfiguration that is enabled.
type ocspConfig struct {
	Cname string `json:",omitempty"` // OcspCustomCname
}

// cname is what may stand behind http:// in a certificate: a host, with a port
// and a path at most, of the characters of RFC 2396.
var cname = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?(?:/[A-Za-z0-9;/?:@&=+$,%_.!~*'()-]*)?$`)

// parseOCSP checks an OcspConfiguration; nil means disabled.
func parseOCSP(in *types.OcspConfiguration) (*ocspConfig, error) {
	if in == nil {
		return nil, nil
	}
	if !aws.ToBool(in.Enabled) {
		// AWS demands that a disabled part says nothing but Enabled=false.
		if in.OcspCustomCname != nil {
			return nil, invalidArgs("OcspConfiguration with Enabled=false must not have any other member")
		}
		return nil, nil
	}
	name := aws.ToString(in.OcspCustomCname)
	if in.OcspCustomCname != nil && !cname.MatchString(name) {
		return nil, invalidArgs("the OcspCustomCname %q is not valid: give a host name, without a protocol prefix such as http://", name)
	}
	return &ocspConfig{Cname: name}, nil
}

// describe is the configuration as DescribeCertificateAuthority shows it.
func (c *ocspConfig) describe() *types.OcspConfiguration {
	if c == nil {
		return &types.OcspConfiguration{Enabled: aws.Bool(false)}
	}
	out := &types.OcspConfiguration{Enabled: aws.Bool(true)}
	if c.Cname != "" {
		out.OcspCustomCname = aws.String(c.Cname)
	}
	return out
}

// url is what certificates issued now name as their responder; "": none.
func (c *ocspConfig) url(region string) string {
	switch {
	case c == nil:
		return ""
	case c.Cname != "":
		return "http://" + c.Cname
	case arn.Partition(region) == "aws-cn":
		return "http://ocsp.acm-pca." + region + ".amazonaws.com.cn"
	}
	return "http://ocsp.acm-pca." + region + ".amazonaws.com"
}

// host splits a custom CNAME into the name that a Host header carries and the
// path in front of a request.
func (c *ocspConfig) host() (name, path string) {
	name, path, _ = strings.Cut(c.Cname, "/")
	if h, _, err := net.SplitHostPort(name); err == nil {
		name = h
	}
	return strings.ToLower(name), strings.Trim(path, "/")
}
