package e2e

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"
)

// send asks for a path of a host on a connection of its own, with a method and headers.
func (c *caller) send(method, host, path string, header http.Header) reply {
	c.s.t.Helper()
	transport := &http.Transport{
		TLSClientConfig: c.config(host), DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, c.s.node.Endpoints().Gateway)
		},
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, "https://"+host+path, nil)
	if err != nil {
		c.s.t.Fatal(err)
	}
	request.Header = header
	response, err := transport.RoundTrip(request)
	if err != nil {
		return reply{refused: err}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return reply{refused: err}
	}
	return reply{response.StatusCode, string(body), response.Header, response.TLS.DidResume, response.Proto, nil}
}
