package wire

import (
	"errors"
	"math"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// The setters write a scalar through its pointer, if it has one. The common
// SDK types take a path without a second allocation for reflection.

func setString(p *plan, v reflect.Value, s string) {
	if x, ok := v.Addr().Interface().(**string); ok {
		*x = &s
		return
	}
	p.target(v).SetString(s)
}

func setBool(p *plan, v reflect.Value, b bool) {
	if x, ok := v.Addr().Interface().(**bool); ok {
		*x = &b
		return
	}
	p.target(v).SetBool(b)
}

func setInt(p *plan, v reflect.Value, n int64) {
	switch x := v.Addr().Interface().(type) {
	case **int32:
		i := int32(n)
		*x = &i
	case **int64:
		*x = &n
	default:
		p.target(v).SetInt(n)
	}
}

func setTime(p *plan, v reflect.Value, t time.Time) {
	switch x := v.Addr().Interface().(type) {
	case **time.Time:
		*x = &t
	case *time.Time:
		*x = t
	}
}

// setText reads a scalar from text, as headers, query strings, labels, XML and
// forms carry it. format is that of timestamps.
func setText(p *plan, v reflect.Value, s, format string) error {
	if p.kind != kindString && p.kind != kindBlob {
		s = strings.TrimSpace(s)
	}
	bad := func(what string) error { return broken("%s is not a valid %s (%s)", clip(s), what, p.shape.Name) }
	switch p.kind {
	case kindString:
		setString(p, v, s)
	case kindBool:
		switch s {
		case "true", "True", "TRUE", "1":
			setBool(p, v, true)
		case "false", "False", "FALSE", "0":
			setBool(p, v, false)
		default:
			return bad("boolean")
		}
	case kindInt:
		n, err := strconv.ParseInt(s, 10, p.typ.Bits())
		if err != nil {
			return bad("integer")
		}
		setInt(p, v, n)
	case kindFloat:
		f, err := strconv.ParseFloat(s, p.typ.Bits())
		// ParseFloat also takes hexadecimal, underscores and "inf".
		if err != nil || strings.ContainsAny(s, "xX_p") || (math.IsInf(f, 0) || math.IsNaN(f)) && s != "NaN" && s != "Infinity" && s != "-Infinity" {
			return bad("number")
		}
		p.target(v).SetFloat(f)
	case kindTime:
		t, err := parseTime(format, s)
		if err != nil {
			return bad("timestamp")
		}
		setTime(p, v, t)
	case kindBlob:
		b, err := decodeBase64(s)
		if err != nil {
			return bad("base64 string")
		}
		v.SetBytes(b)
	default:
		return broken("%s cannot be read from text", p.shape.Name)
	}
	return nil
}

// text writes a scalar as text; v has no pointer.
func text(p *plan, v reflect.Value, format string) string {
	switch p.kind {
	case kindBool:
		return strconv.FormatBool(v.Bool())
	case kindInt:
		return strconv.FormatInt(v.Int(), 10)
	case kindFloat:
		return formatFloat(v.Float(), p.typ.Bits())
	case kindTime:
		return formatTime(format, v.Interface().(time.Time))
	case kindBlob:
		return encodeBase64(v.Bytes())
	}
	return v.String()
}

func formatFloat(f float64, bits int) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return strconv.FormatFloat(f, 'f', -1, bits)
}

// Timestamp formats beyond the models' three. S3 writes milliseconds always,
// the others only where there are some.
const iso8601Millis = "iso8601.000"

// The years that every format can carry.
var (
	minTime = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	maxTime = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).Unix()
)

var errTime = errors.New("not a timestamp")

// parseTime reads a timestamp, to UTC.
func parseTime(format, s string) (time.Time, error) {
	switch format {
	case "unixTimestamp":
		return parseEpoch(s)
	case "rfc822":
		t, err := http.ParseTime(s)
		if err != nil {
			// RFC 1123 with a numeric zone, and the fraction of a second that
			// Smithy's http-date allows.
			for _, layout := range []string{time.RFC1123Z, "Mon, 02 Jan 2006 15:04:05.999999999 GMT"} {
				if t, err = time.Parse(layout, s); err == nil {
					break
				}
			}
		}
		if err != nil {
			return time.Time{}, err
		}
		return inRange(t)
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		// Clients may leave out the zone or the time of day.
		for _, layout := range []string{"2006-01-02T15:04:05.999999999", "2006-01-02T15:04:05Z0700", "2006-01-02"} {
			if t, err = time.Parse(layout, s); err == nil {
				break
			}
		}
	}
	if err != nil {
		return time.Time{}, err
	}
	return inRange(t)
}

func inRange(t time.Time) (time.Time, error) {
	if u := t.Unix(); u < minTime || u > maxTime {
		return time.Time{}, errTime
	}
	return t.UTC(), nil
}

// parseEpoch reads seconds since 1970 with an optional fraction, exactly where
// it is written out, to microseconds where it has an exponent.
func parseEpoch(s string) (time.Time, error) {
	if strings.ContainsAny(s, "eE") {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || f < float64(minTime) || f > float64(maxTime) {
			return time.Time{}, errTime
		}
		return inRange(time.UnixMicro(int64(math.Round(f * 1e6))))
	}
	whole, fraction, _ := strings.Cut(s, ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || sec < minTime || sec > maxTime {
		return time.Time{}, errTime
	}
	var nanos int64
	if fraction != "" {
		if len(fraction) > 9 {
			fraction = fraction[:9]
		}
		n, err := strconv.ParseUint(fraction, 10, 63)
		if err != nil {
			return time.Time{}, errTime
		}
		nanos = int64(n)
		for i := len(fraction); i < 9; i++ {
			nanos *= 10
		}
		if strings.HasPrefix(whole, "-") {
			nanos = -nanos
		}
	}
	return inRange(time.Unix(sec, nanos))
}

// formatTime writes a timestamp, truncated to milliseconds as AWS does.
func formatTime(format string, t time.Time) string {
	t = t.UTC().Truncate(time.Millisecond)
	switch format {
	case "unixTimestamp":
		ms := t.UnixMilli()
		if ms%1000 == 0 {
			return strconv.FormatInt(ms/1000, 10)
		}
		sign := ""
		if ms < 0 {
			sign, ms = "-", -ms
		}
		return strings.TrimRight(sign+strconv.FormatInt(ms/1000, 10)+"."+strconv.FormatInt(1000+ms%1000, 10)[1:], "0")
	case "rfc822":
		return t.Format(http.TimeFormat)
	case iso8601Millis:
		return t.Format("2006-01-02T15:04:05.000Z")
	}
	return t.Format("2006-01-02T15:04:05.999Z")
}

// clip quotes a foreign value for a message.
func clip(s string) string {
	const limit = 256
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return "'" + s + "'"
}
