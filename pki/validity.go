package pki

import (
	"crypto/x509"
	"fmt"
	"strconv"
	"time"
)

// A ValidityType is how the value of a Validity is meant, by ACM Private CA's name.
type ValidityType string

// Validity types.
const (
	EndDate  ValidityType = "END_DATE" // YYMMDDHHMMSS or YYYYMMDDHHMMSS, UTC, as a number
	Absolute ValidityType = "ABSOLUTE" // seconds since 1970
	Days     ValidityType = "DAYS"
	Months   ValidityType = "MONTHS"
	Years    ValidityType = "YEARS"
)

// Backdate is how far before its issuance a certificate starts to be valid
// unless the request says otherwise.
const Backdate = 60 * time.Minute

// ShortLivedLimit is the longest life of a certificate from a CA in
// SHORT_LIVED_CERTIFICATE mode, counted from its issuance.
const ShortLivedLimit = 7 * 24 * time.Hour

// latest is the last moment that GeneralizedTime of RFC 5280 can say.
var latest = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

// A Validity is a moment, given as such or as a span from another.
type Validity struct {
	Type  ValidityType
	Value int64
}

// End is the moment that v means for a certificate issued at issued, in UTC
// and whole seconds. The error is a *[RuleError] with RuleValidity.
func (v Validity) End(issued time.Time) (time.Time, error) {
	issued = issued.UTC().Truncate(time.Second)
	if v.Value < 1 {
		return time.Time{}, &RuleError{RuleValidity, fmt.Sprintf("the validity value %d is not valid: it must be at least 1", v.Value)}
	}
	var end time.Time
	switch v.Type {
	case EndDate:
		var err error
		if end, err = parseEndDate(v.Value); err != nil {
			return time.Time{}, err
		}
	case Absolute:
		if v.Value > latest.Unix() {
			return time.Time{}, tooLate(v)
		}
		end = time.Unix(v.Value, 0).UTC()
	case Days, Months, Years:
		// Also keeps AddDate away from overflow: 9999 years have fewer days.
		if v.Value > 3_652_059 {
			return time.Time{}, tooLate(v)
		}
		n := int(v.Value)
		switch v.Type {
		case Days:
			end = issued.AddDate(0, 0, n)
		case Months:
			end = addMonths(issued, n)
		default:
			end = addMonths(issued, 12*n)
		}
	default:
		return time.Time{}, &RuleError{RuleValidity, fmt.Sprintf("the validity type %q is not valid", v.Type)}
	}
	if end.After(latest) {
		return time.Time{}, tooLate(v)
	}
	return end, nil
}

func tooLate(v Validity) error {
	return &RuleError{RuleValidity, fmt.Sprintf("the validity %d %s ends after the year 9999", v.Value, v.Type)}
}

// addMonths keeps the day of the month, or takes the last one of a shorter
// month: time.AddDate would run into the next.
func addMonths(t time.Time, n int) time.Time {
	end := t.AddDate(0, n, 0)
	if end.Day() != t.Day() {
		end = end.AddDate(0, 0, -end.Day())
	}
	return end
}

// parseEndDate reads an END_DATE. RFC 5280 section 4.1.2.5.1: two-digit years
// from 50 are of the twentieth century. A leading zero is lost in a number, so
// eleven and twelve digits are both the short form.
func parseEndDate(value int64) (time.Time, error) {
	text, layout := strconv.FormatInt(value, 10), "20060102150405"
	if len(text) <= 12 {
		text = fmt.Sprintf("%012d", value)
		if century := "20"; text[0] >= '5' {
			century = "19"
			text = century + text
		} else {
			text = century + text
		}
	}
	end, err := time.Parse(layout, text)
	if err != nil {
		return time.Time{}, &RuleError{RuleValidity, fmt.Sprintf("the end date %d is not valid: want YYMMDDHHMMSS or YYYYMMDDHHMMSS", value)}
	}
	return end, nil
}

// Window computes the validity period of a certificate issued at issued. With
// notBefore nil it starts Backdate earlier; otherwise notBefore must be
// Absolute. The end does not move with the start. The error is a *[RuleError]
// with RuleValidity.
func Window(issued time.Time, validity Validity, notBefore *Validity) (from, to time.Time, err error) {
	issued = issued.UTC().Truncate(time.Second)
	if to, err = validity.End(issued); err != nil {
		return time.Time{}, time.Time{}, err
	}
	from = issued.Add(-Backdate)
	if notBefore != nil {
		if notBefore.Type != Absolute {
			return time.Time{}, time.Time{}, &RuleError{RuleValidity, fmt.Sprintf("the validity type %q is not valid for ValidityNotBefore: use ABSOLUTE", notBefore.Type)}
		}
		if from, err = notBefore.End(issued); err != nil {
			return time.Time{}, time.Time{}, err
		}
	}
	if !to.After(from) || !to.After(issued) {
		return time.Time{}, time.Time{}, &RuleError{RuleValidity, fmt.Sprintf("the certificate would end at %s, before it is valid or issued", to.Format(time.RFC3339))}
	}
	return from, to, nil
}

// CheckWindow judges a certificate's end against the CA that issues it: no
// certificate outlives it, a CA certificate must even end before it. A root
// that signs itself has no issuer and is not asked about. shortLived is for
// CAs in SHORT_LIVED_CERTIFICATE mode. The error is a *[RuleError].
func CheckWindow(t *Template, issuer *x509.Certificate, issued, notAfter time.Time, shortLived bool) error {
	if t.root {
		return nil
	}
	if notAfter.After(issuer.NotAfter) || t.ca && !notAfter.Before(issuer.NotAfter) {
		return &RuleError{RuleNesting, fmt.Sprintf("the certificate validity specified exceeds the certificate authority validity: it would end at %s, the certificate authority ends at %s",
			notAfter.UTC().Format(time.RFC3339), issuer.NotAfter.UTC().Format(time.RFC3339))}
	}
	if shortLived && notAfter.Sub(issued.Truncate(time.Second)) > ShortLivedLimit {
		return &RuleError{RuleShortLived, "a certificate authority in SHORT_LIVED_CERTIFICATE mode issues certificates for at most 7 days"}
	}
	return nil
}
