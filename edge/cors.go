package edge

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"countersign/edge/snapshot"
)

// cors writes the headers with which the gateway answers browsers for a stage,
// in every answer, its own refusals among them; those of the integration are
// dropped (copyHeader). It reports whether the request is a preflight, which
// ends here: before routes and authorizers, with 204. An origin that is not
// allowed is told nothing, and its browser draws the conclusion.
func (x *exchange) cors(c *snapshot.CORS) (preflight bool) {
	h := x.w.Header()
	origins := x.r.Header["Origin"]
	requested := x.r.Header.Get("Access-Control-Request-Method")
	preflight = x.r.Method == http.MethodOptions && len(origins) == 1 && requested != ""
	if !slices.Contains(c.Origins, "*") {
		h["Vary"] = []string{"Origin"} // of answers without the header too: a cache must not hand them out
	}
	if len(origins) != 1 || origins[0] == "" {
		return preflight
	}
	allowed := allowedOrigin(c.Origins, origins[0])
	if allowed == "" {
		return preflight
	}
	h["Access-Control-Allow-Origin"] = []string{allowed}
	if c.Credentials {
		h["Access-Control-Allow-Credentials"] = []string{"true"}
	}
	if !preflight {
		setList(h, "Access-Control-Expose-Headers", c.Expose, "")
		return false
	}
	// Where there are credentials browsers take * for a name like any other.
	asked := [2]string{}
	if c.Credentials {
		asked = [2]string{requested, strings.Join(x.r.Header["Access-Control-Request-Headers"], ",")}
	}
	setList(h, "Access-Control-Allow-Methods", c.Methods, asked[0])
	setList(h, "Access-Control-Allow-Headers", c.Headers, asked[1])
	if c.MaxAge != nil {
		h["Access-Control-Max-Age"] = []string{strconv.Itoa(int(*c.MaxAge))}
	}
	return true
}

// setList writes a list as one header line; a list with * is that alone, or
// what was asked for. An empty list is not written.
func setList(h http.Header, name string, entries []string, asked string) {
	switch {
	case len(entries) == 0:
	case !slices.Contains(entries, "*"):
		h[name] = []string{strings.Join(entries, ",")}
	case asked != "":
		h[name] = []string{asked}
	default:
		h[name] = []string{"*"}
	}
}

// allowedOrigin is what Access-Control-Allow-Origin says to an origin; "" if
// that is not allowed.
func allowedOrigin(origins []string, origin string) string {
	for _, allowed := range origins {
		switch allowed {
		case "*":
			return "*"
		case origin:
			return origin
		case "http://*", "https://*":
			if scheme := strings.TrimSuffix(allowed, "*"); len(origin) > len(scheme) && strings.HasPrefix(origin, scheme) {
				return origin
			}
		}
	}
	return ""
}
