package objects

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// checkBucketName applies the rules for general purpose buckets.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
func checkBucketName(name string) error {
	bad := refuse(400, "InvalidBucketName", "The specified bucket is not valid.").field("BucketName", name)
	if len(name) < 3 || len(name) > 63 {
		return bad
	}
	for i := range len(name) {
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case (c == '-' || c == '.') && i > 0 && i < len(name)-1:
		default:
			return bad
		}
	}
	if _, err := netip.ParseAddr(name); err == nil || strings.Contains(name, "..") {
		return bad
	}
	for _, prefix := range []string{"xn--", "sthree-", "amzn-s3-demo-"} {
		if strings.HasPrefix(name, prefix) {
			return bad
		}
	}
	for _, suffix := range []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"} {
		if strings.HasSuffix(name, suffix) {
			return bad
		}
	}
	return nil
}

const maxKey = 1024 // bytes of UTF-8

func checkKey(key string) error {
	switch {
	case key == "":
		return invalidArgument("Object key must not be empty.", "key", "")
	case !utf8.ValidString(key):
		return refuse(400, "InvalidURI", "Couldn't parse the specified URI.")
	case len(key) > maxKey:
		return refuse(400, "KeyTooLongError", "Your key is too long").field("Size", decimal(len(key))).field("MaxSizeAllowed", decimal(maxKey))
	}
	return nil
}

// owner is an account as S3 shows it, by a canonical user id.
func owner(account string) *types.Owner {
	return &types.Owner{ID: aws.String(canonicalID(account))}
}

// canonicalID gives an account its canonical user id: 64 hex digits, always the same.
func canonicalID(account string) string {
	sum := sha256.Sum256([]byte("canonical user id of account " + account))
	return hex.EncodeToString(sum[:])
}
