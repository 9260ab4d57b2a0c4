package api

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"countersign/wire/sigv4"
)

// mayBeAnonymous reports whether a request without a signature is looked at
// all the same: reading objects, so that the URLs of CRLs in certificates can be
// fetched by anybody. Whether this object may be read is decided by the objects
// service. A signature that is there and wrong is never passed over.
func (x *exchange) mayBeAnonymous(err error) bool {
	var e *sigv4.Error
	return x.service.family == familyS3 && errors.As(err, &e) && e.Reason == sigv4.Missing &&
		(x.r.Method == http.MethodGet || x.r.Method == http.MethodHead)
}

// checkAnonymous refuses what S3 does not do without a signature: what an object
// is served as cannot be chosen by a stranger.
func checkAnonymous(query url.Values) error {
	for name := range query {
		if strings.HasPrefix(name, "response-") {
			return apiError{"InvalidRequest", "Request specific response headers cannot be used for anonymous GET requests.", http.StatusBadRequest, nil}
		}
	}
	return nil
}
