package identity

import "errors"

// Why Credential has no secret for a key. Each AWS API words these its own way.
var (
	ErrUnknownKey   = errors.New("the access key id is unknown")
	ErrInvalidToken = errors.New("the session token is not valid for the access key id")
	ErrExpired      = errors.New("the session has expired")
)
