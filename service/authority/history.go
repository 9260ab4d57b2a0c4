package authority

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"countersign/pki"
)

// maxHistoryLine bounds a line of a history: a subject takes a few hundred characters.
const maxHistoryLine = 16 << 10

// ParseHistory reads what an authority issued, in one of three forms:
//
//   - PEM certificates, any number, with any text around them;
//   - the database of openssl ca (index.txt): lines of six columns between tabs,
//     the status (V, R or E), the end, for R the revocation with its reason, the
//     serial number in hexadecimal, a file name, and the subject;
//   - one serial number in hexadecimal per line; empty lines and lines that
//     start with # are skipped.
func ParseHistory(data []byte) ([]Past, error) {
	if bytes.Contains(data, []byte("-----BEGIN CERTIFICATE-----")) {
		list, err := parseCertificates(data)
		if err != nil {
			return nil, err
		}
		past := make([]Past, len(list))
		for i, c := range list {
			past[i] = Past{Certificate: c, Serial: c.SerialNumber, NotAfter: c.NotAfter}
		}
		return past, nil
	}
	var past []Past
	number := 0
	for raw := range bytes.Lines(data) {
		number++
		line := strings.TrimRight(string(raw), "\r\n")
		switch {
		case len(line) > maxHistoryLine:
			return nil, fmt.Errorf("line %d has more than %d characters", number, maxHistoryLine)
		case strings.TrimSpace(line) == "", strings.HasPrefix(line, "#"):
			continue
		}
		parse := parseNumber
		if strings.Contains(line, "\t") {
			parse = parseIndexLine
		}
		p, err := parse(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		past = append(past, p)
	}
	if len(past) == 0 {
		return nil, errors.New("it holds no PEM certificates, no lines of an index.txt of openssl ca, and no serial numbers")
	}
	return past, nil
}

func parseNumber(line string) (Past, error) {
	n, err := pki.ParseSerial(strings.TrimSpace(line))
	return Past{Serial: n}, err
}

// parseIndexLine reads one line of index.txt, which openssl-ca(1) calls the text
// database file.
func parseIndexLine(line string) (Past, error) {
	columns := strings.Split(line, "\t")
	if len(columns) != 6 {
		return Past{}, fmt.Errorf("it has %d columns between tabs; a line of an index.txt has 6", len(columns))
	}
	n, err := pki.ParseSerial(columns[3])
	if err != nil {
		return Past{}, err
	}
	p := Past{Serial: n, Subject: columns[5], Status: true}
	if p.NotAfter, err = indexTime(columns[1]); err != nil {
		return Past{}, err
	}
	switch columns[0] {
	case "V", "E":
		if columns[2] != "" {
			return Past{}, fmt.Errorf("its status is %s, yet it has the revocation %q", columns[0], columns[2])
		}
	case "R":
		at, reason, _ := strings.Cut(columns[2], ",")
		if p.RevokedAt, err = indexTime(at); err != nil {
			return Past{}, err
		}
		if p.Reason, err = indexReason(reason); err != nil {
			return Past{}, err
		}
	default:
		return Past{}, fmt.Errorf("its status is %q: want V, R or E", columns[0])
	}
	return p, nil
}

// indexTime reads a UTCTime, or a GeneralizedTime for years from 2050.
func indexTime(text string) (time.Time, error) {
	layout := "060102150405Z"
	if len(text) > len(layout) {
		layout = "20060102150405Z"
	}
	at, err := time.Parse(layout, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is no time of the form YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ", text)
	}
	return at, nil
}

// indexReason is the CRL reason code of a name that openssl ca writes. Some
// names bring more after a comma, such as when a key was compromised.
func indexReason(text string) (int, error) {
	name, _, _ := strings.Cut(text, ",")
	switch name {
	case "holdInstruction":
		return 6, nil
	case "keyTime":
		return 1, nil
	case "CAkeyTime":
		return 2, nil
	case "":
		return 0, nil
	}
	reason := slices.Index([]string{"unspecified", "keyCompromise", "CACompromise", "affiliationChanged", "superseded", "cessationOfOperation", "certificateHold"}, name)
	if reason < 0 {
		return 0, fmt.Errorf("%q is no reason of openssl ca", name)
	}
	return reason, nil
}

// parseCertificates reads every PEM certificate of data.
func parseCertificates(data []byte) ([]*x509.Certificate, error) {
	var list []*x509.Certificate
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != pki.PEMCertificate {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(list)+1, err)
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, errors.New("no PEM certificate")
	}
	return list, nil
}
