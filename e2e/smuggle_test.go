package e2e

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"countersign/wire/sigv4"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// An HTTP/2 request has :authority and may have a host header beside it. The
// signature must be over the one that names the bucket: with a URL signed for an
// object of one bucket nobody reads another bucket's.
func TestSignedHostIsTheOneUsed(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, bucket := range []string{"first-bucket", "second-bucket"} {
		s.bucket(bucket)
		s.put(bucket, "key", []byte("of "+bucket))
	}
	address := strings.TrimPrefix(s.node.Endpoints().Endpoint, "http://")
	_, port, _ := strings.Cut(address, ":")
	first, second := "first-bucket.localhost:"+port, "second-bucket.localhost:"+port
	presigned := must(sigv4.Presign("GET", "https://"+first+"/key", sigv4.Credentials{
		AccessKeyID: s.node.Credentials().AccessKeyID, SecretAccessKey: s.node.Credentials().SecretAccessKey,
	}, region, "s3", time.Now(), time.Minute))(t)
	target := must(url.Parse(presigned))(t)

	get := func(authority string, more ...hpack.HeaderField) (status, body string) {
		t.Helper()
		c := must(tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}))(t)
		defer c.Close()
		c.SetDeadline(time.Now().Add(10 * time.Second))
		if c.ConnectionState().NegotiatedProtocol != "h2" {
			t.Fatal("no HTTP/2")
		}
		var head bytes.Buffer
		e := hpack.NewEncoder(&head)
		for _, f := range append([]hpack.HeaderField{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "https"},
			{Name: ":authority", Value: authority}, {Name: ":path", Value: target.RequestURI()}}, more...) {
			e.WriteField(f)
		}
		io.WriteString(c, http2.ClientPreface)
		framer := http2.NewFramer(c, c)
		framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
		framer.WriteSettings()
		framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head.Bytes(), EndHeaders: true, EndStream: true})
		for {
			frame, err := framer.ReadFrame()
			if err != nil {
				t.Fatal(err)
			}
			switch f := frame.(type) {
			case *http2.MetaHeadersFrame:
				status = f.PseudoValue("status")
			case *http2.DataFrame:
				body += string(f.Data())
			case *http2.RSTStreamFrame:
				return "reset", ""
			}
			if frame.Header().Flags.Has(http2.FlagDataEndStream) && frame.Header().StreamID == 1 {
				return status, body
			}
		}
	}
	if status, body := get(first); status != "200" || body != "of first-bucket" {
		t.Fatalf("the URL as it was signed: %s %q", status, body)
	}
	if status, body := get(first, hpack.HeaderField{Name: "host", Value: first}); status != "200" || body != "of first-bucket" {
		t.Errorf("the same host twice: %s %q", status, body)
	}
	for _, host := range []string{first, second} {
		if status, body := get(second, hpack.HeaderField{Name: "host", Value: host}); status != "403" && status != "400" {
			t.Errorf("for another bucket, with the host header %s: %s %q", host, status, body)
		}
	}
}
