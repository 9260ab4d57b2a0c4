package authority

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	"github.com/aws/smithy-go"
	"github.com/google/uuid"

	"countersign/arn"
	"countersign/store"
)

// defaultCRLDays is ExpirationInDays where none is given, as in AWS's console.
const defaultCRLDays = 7

// A crlConfig is the stored form of a CrlConfiguration that is enabled.
type crlConfig struct {
	Bucket  string
	Region  string // the bucket's
	Days    int
	Cname   string `json:",omitempty"`
	Path    string `json:",omitempty"`
	Private bool   `json:",omitempty"` // BUCKET_OWNER_FULL_CONTROL
	Omit    bool   `json:",omitempty"` // certificates do not name the list

	// A partitioned list is one for each first octet of a serial number; what a
	// certificate names never changes, since its serial does not. Names are made
	// from Seed, which stays through every later configuration.
	Partitioned bool   `json:",omitempty"`
	Seed        []byte `json:",omitempty"`
	// Was says that the list was complete before: that one goes on, for the
	// certificates that name it.
	Was bool `json:",omitempty"`
}

// A Delivery is an object for a bucket, written on behalf of an authority. The
// bucket's policy must let Service write it.
type Delivery struct {
	Service string // service principal
	Source  string // ARN of the authority
	Bucket  string
	Key     string
	ACL     string // public-read, or bucket-owner-full-control
}

// Buckets are where CRLs and audit reports are written to.
type Buckets interface {
	// CheckDelivery tells whether a delivery would be taken, and the bucket's
	// Region. lacking is an action that the bucket's policy does not allow.
	CheckDelivery(ctx context.Context, d Delivery) (region, lacking string, err error)
	// Deliver writes the object, durable on return. A size below zero: as much as there is.
	Deliver(ctx context.Context, d Delivery, contentType string, body io.Reader, size int64) (lacking string, err error)
}

// parseCRL checks a CrlConfiguration for an authority, its bucket and the
// bucket's policy among it; nil means disabled.
func (s *Service) parseCRL(ctx context.Context, r *record, in *types.CrlConfiguration) (*crlConfig, error) {
	if in == nil {
		return nil, nil
	}
	if !aws.ToBool(in.Enabled) {
		// AWS demands that a disabled part says nothing but Enabled=false.
		if in.S3BucketName != nil || in.CustomCname != nil || in.CustomPath != nil || in.ExpirationInDays != nil ||
			in.CrlType != "" || in.S3ObjectAcl != "" || in.CrlDistributionPointExtensionConfiguration != nil {
			return nil, invalidArgs("CrlConfiguration with Enabled=false must not have any other member")
		}
		return nil, nil
	}
	c := &crlConfig{Bucket: aws.ToString(in.S3BucketName), Days: defaultCRLDays, Cname: aws.ToString(in.CustomCname),
		Path: strings.Trim(aws.ToString(in.CustomPath), "/"), Partitioned: in.CrlType == types.CrlTypePartitioned}
	if in.ExpirationInDays != nil {
		c.Days = int(*in.ExpirationInDays)
	}
	if x := in.CrlDistributionPointExtensionConfiguration; x != nil {
		c.Omit = aws.ToBool(x.OmitExtension)
	}
	switch {
	case c.Bucket == "":
		return nil, invalidArgs("CrlConfiguration with Enabled=true must have an S3BucketName")
	case c.Days < 1 || c.Days > 5000:
		return nil, invalidArgs("ExpirationInDays is %d; it must be 1 to 5000", c.Days)
	case in.CrlType != "" && in.CrlType != types.CrlTypeComplete && !c.Partitioned:
		return nil, invalidArgs("the CrlType %q is not valid; use COMPLETE or PARTITIONED", in.CrlType)
	case c.Cname != "" && !cname.MatchString(c.Cname):
		return nil, invalidArgs("the CustomCname %q is not valid: give a host name, without a protocol prefix such as http://", c.Cname)
	case c.Omit && c.Cname != "":
		return nil, invalidArgs("OmitExtension cannot be used with a CustomCname: certificates would not name it")
	case strings.Contains("/"+c.Path+"/", "/../") || strings.Contains("/"+c.Path+"/", "/./"):
		return nil, invalidArgs("the CustomPath %q is not valid", c.Path)
	}
	switch in.S3ObjectAcl {
	case "", types.S3ObjectAclPublicRead:
	case types.S3ObjectAclBucketOwnerFullControl:
		c.Private = true
	default:
		return nil, invalidArgs("the S3ObjectAcl %q is not valid; use PUBLIC_READ or BUCKET_OWNER_FULL_CONTROL", in.S3ObjectAcl)
	}
	if s.buckets == nil {
		return nil, invalidArgs("CRLs cannot be enabled: this installation has no buckets")
	}
	if old := r.CRL; old != nil {
		c.Seed, c.Was = old.Seed, old.Was || !old.Partitioned
	}
	if c.Was = c.Was && c.Partitioned; c.Partitioned && c.Seed == nil {
		c.Seed = make([]byte, 16)
		if _, err := io.ReadFull(s.rand, c.Seed); err != nil {
			return nil, fmt.Errorf("draw names of CRLs: %w", err)
		}
	}
	region, lacking, err := s.buckets.CheckDelivery(ctx, c.delivery(r, c.list(store.Serial{1})))
	var refused smithy.APIError
	switch {
	case lacking != "":
		return nil, invalidPolicy("The ACM Private CA Service Principal '%s' requires '%s' permissions for your S3 bucket '%s'. Check your S3 bucket permissions and try again.", servicePrincipal, lacking, c.Bucket)
	case asAPI(err, &refused):
		return nil, invalidArgs("the S3 bucket %s cannot take the CRL: %s", c.Bucket, refused.ErrorMessage())
	case err != nil:
		return nil, fmt.Errorf("check bucket %s for CRLs of %s: %w", c.Bucket, r.arn(), err)
	}
	c.Region = region
	return c, nil
}

// describe is the configuration as DescribeCertificateAuthority shows it.
func (c *crlConfig) describe() *types.CrlConfiguration {
	if c == nil {
		return &types.CrlConfiguration{Enabled: aws.Bool(false)}
	}
	out := &types.CrlConfiguration{
		Enabled: aws.Bool(true), ExpirationInDays: aws.Int32(int32(c.Days)), S3BucketName: aws.String(c.Bucket),
		S3ObjectAcl: types.S3ObjectAclPublicRead, CrlType: types.CrlTypeComplete,
		CrlDistributionPointExtensionConfiguration: &types.CrlDistributionPointExtensionConfiguration{OmitExtension: aws.Bool(c.Omit)},
	}
	if c.Private {
		out.S3ObjectAcl = types.S3ObjectAclBucketOwnerFullControl
	}
	if c.Partitioned {
		out.CrlType = types.CrlTypePartitioned
	}
	if c.Cname != "" {
		out.CustomCname = aws.String(c.Cname)
	}
	if c.Path != "" {
		out.CustomPath = aws.String(c.Path)
	}
	return out
}

// equal reports whether two configurations are the same.
func (c *crlConfig) equal(d *crlConfig) bool {
	if c == nil || d == nil {
		return c == d
	}
	x, y := *c, *d
	x.Seed, y.Seed = nil, nil
	return bytes.Equal(c.Seed, d.Seed) && fmt.Sprint(x) == fmt.Sprint(y)
}

// A crlList names one list of an authority: complete, or by the first octet of
// the serial numbers on it.
type crlList struct {
	complete bool
	octet    byte
}

// name is the last part of the key of the list's record.
func (l crlList) name() string {
	if l.complete {
		return "complete"
	}
	return fmt.Sprintf("%02x", l.octet)
}

func parseList(name string) (crlList, bool) {
	if name == "complete" {
		return crlList{complete: true}, true
	}
	var l crlList
	n, err := fmt.Sscanf(name, "%02x", &l.octet)
	return l, n == 1 && err == nil && l.name() == name
}

// through is the range of serial numbers on the list: above after, not above last.
func (l crlList) through() (after, last store.Serial) {
	for i := range last {
		last[i] = 0xff
	}
	if l.complete {
		return after, last
	}
	if last[0] = l.octet; l.octet > 0 {
		for i := range after {
			after[i] = 0xff
		}
		after[0] = l.octet - 1
	}
	return after, last
}

// list is the one that a certificate with a serial number is on.
func (c *crlConfig) list(serial store.Serial) crlList {
	if c.Partitioned {
		return crlList{octet: serial[0]}
	}
	return crlList{complete: true}
}

// kept reports whether a list is written under the configuration.
func (c *crlConfig) kept(l crlList) bool {
	return c != nil && (l.complete != c.Partitioned || l.complete && c.Was)
}

// object is the key of a list in its bucket.
func (c *crlConfig) object(id string, l crlList) string {
	path := c.Path
	switch {
	case l.complete && path == "":
		path = "crl"
	case path == "":
		path = "crl/" + id
	}
	if l.complete {
		return path + "/" + id + ".crl"
	}
	// A random GUID for who does not know the seed, the same one each time.
	sum := sha256.Sum256(append(bytes.Clone(c.Seed), l.octet))
	guid := uuid.UUID(sum[:16])
	guid[6], guid[8] = guid[6]&0x0f|0x40, guid[8]&0x3f|0x80
	return path + "/" + guid.String() + ".crl"
}

// url is where a list can be fetched from: always http, since whoever wants to
// check a certificate cannot check one first.
func (c *crlConfig) url(id string, l crlList) string {
	object := c.object(id, l)
	if c.Cname != "" {
		return "http://" + strings.TrimRight(c.Cname, "/") + "/" + object
	}
	suffix := ".amazonaws.com"
	if arn.Partition(c.Region) == "aws-cn" {
		suffix += ".cn"
	}
	if strings.Contains(c.Bucket, ".") {
		return "http://s3." + c.Region + suffix + "/" + c.Bucket + "/" + object
	}
	return "http://" + c.Bucket + ".s3." + c.Region + suffix + "/" + object
}

// point is what a certificate with a serial number names as its list; "": none.
func (c *crlConfig) point(id string, serial store.Serial) string {
	if c == nil || c.Omit {
		return ""
	}
	return c.url(id, c.list(serial))
}

func (c *crlConfig) delivery(r *record, l crlList) Delivery {
	d := Delivery{Service: servicePrincipal, Source: r.arn(), Bucket: c.Bucket, Key: c.object(r.ID, l), ACL: "public-read"}
	if c.Private {
		d.ACL = "bucket-owner-full-control"
	}
	return d
}
