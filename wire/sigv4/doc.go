// Package sigv4 verifies AWS Signature Version 4, and signs with it: the
// Authorization header, the presigned query string, and S3's aws-chunked
// bodies with and without signatures and trailers. It works on
// requests as net/http hands them to a server.
//
// A server parses a Claim, looks up the secret of its access key, and has a
// Verifier check it. What a request says of itself is worth nothing before that.
//
//	claim, err := sigv4.Parse(r)
//	err = claim.CheckTime(now, 5*time.Minute)
//	proof, err := verifier.Check(r, claim, secret, payloadHash)
//	body, err := sigv4.NewBody(r, payloadHash, proof) // S3, where bodies stream
//
// Absent: SigV4A (asymmetric, several Regions), Signature Version 2, S3's POST
// policy forms, and chunk signatures of event streams. Each is refused by name.
package sigv4
