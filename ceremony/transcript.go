package ceremony

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"countersign/pki"
)

// A transcript is what was done, for people to read and sign.
type transcript struct {
	text  bytes.Buffer
	steps int
}

func (t *transcript) open(p *Plan, data []byte, c Config) {
	kind := "TRANSCRIPT OF A KEY CEREMONY"
	if c.Rehearsal {
		kind = "TRANSCRIPT OF A REHEARSAL: nothing in it is the real thing"
	}
	fmt.Fprintf(&t.text, "%s\n\n%s\n\n", kind, p.Title)
	t.fact("dated", p.At.Format(time.RFC3339))
	t.fact("clock of the machine", c.Now.UTC().Format(time.RFC3339))
	t.fact("program", c.Program)
	t.fact("plan, SHA-256", digest(data))
	fmt.Fprintf(&t.text, "\nThe plan:\n\n")
	for line := range strings.Lines(string(data)) {
		fmt.Fprintf(&t.text, "  | %s\n", strings.TrimRight(line, "\r\n"))
	}
}

func (t *transcript) step(format string, a ...any) {
	t.steps++
	fmt.Fprintf(&t.text, "\n%d. %s\n", t.steps, fmt.Sprintf(format, a...))
}

func (t *transcript) fact(name, value string) {
	fmt.Fprintf(&t.text, "   %-22s %s\n", name, value)
}

func (t *transcript) note(format string, a ...any) {
	fmt.Fprintf(&t.text, "   - %s\n", fmt.Sprintf(format, a...))
}

func (t *transcript) certificate(c *x509.Certificate, file string) {
	t.fact("certificate", file)
	t.fact("subject", pki.FormatName(c.RawSubject))
	t.fact("issuer", pki.FormatName(c.RawIssuer))
	t.fact("serial number", pki.SerialColons(c.SerialNumber))
	t.fact("valid", c.NotBefore.UTC().Format(time.RFC3339)+" to "+c.NotAfter.UTC().Format(time.RFC3339))
	limit := "no limit"
	if c.MaxPathLen > 0 || c.MaxPathLenZero {
		limit = fmt.Sprint(c.MaxPathLen)
	}
	t.fact("path length", limit)
	t.fact("public key, SHA-256", digest(c.RawSubjectPublicKeyInfo))
	t.fact("certificate, SHA-256", digest(c.Raw))
}

func (t *transcript) close(p *Plan, files []File) {
	fmt.Fprintf(&t.text, "\nFiles, with the SHA-256 of each:\n\n")
	for _, f := range files {
		fmt.Fprintf(&t.text, "   %s  %s\n", digest(f.Data), f.Name)
	}
	fmt.Fprintf(&t.text, "\nI was there, and this is what was done:\n\n")
	for _, w := range p.Witnesses {
		fmt.Fprintf(&t.text, "   %-30s date ____________  signature ______________________\n\n", w)
	}
}
