package identity_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"countersign/call"
	"countersign/service/identity"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
)

func trustOf(principal, rest string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":%s,"Action":"sts:AssumeRole"%s}]}`, principal, rest)
}

// credential is who acts with credentials of a session.
func credential(t *testing.T, s *identity.Service, c *ststypes.Credentials) call.Principal {
	t.Helper()
	got, err := s.Credential(t.Context(), *c.AccessKeyId, *c.SessionToken)
	if err != nil {
		t.Fatal(err)
	}
	if got.SecretAccessKey != *c.SecretAccessKey || !got.Expires.Equal(*c.Expiration) {
		t.Errorf("credentials came back as %+v", got)
	}
	return got.Principal
}

func TestAssumeRole(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := newService(t, c, nil)
	role := newRole(t, s, "worker", "/team/", trustOf(`{"AWS":"123456789012"}`, ""))
	made, err := s.GetRole(asRoot(t.Context()), &iam.GetRoleInput{RoleName: str("worker")})
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.AssumeRole(asRoot(t.Context()), &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: str("one")})
	if err != nil {
		t.Fatal(err)
	}
	if u := out.AssumedRoleUser; *u.Arn != "arn:aws:sts::123456789012:assumed-role/worker/one" || *u.AssumedRoleId != *made.Role.RoleId+":one" {
		t.Errorf("user %+v", u)
	}
	if !out.Credentials.Expiration.Equal(c.at.Add(time.Hour)) || !strings.HasPrefix(*out.Credentials.AccessKeyId, "ASIA") {
		t.Errorf("credentials until %v", out.Credentials.Expiration)
	}
	p := credential(t, s, out.Credentials)
	if want := (call.Principal{Account: account, ARN: *out.AssumedRoleUser.Arn, ID: *out.AssumedRoleUser.AssumedRoleId, Role: role, AccessKeyID: *out.Credentials.AccessKeyId}); p != want {
		t.Errorf("principal %+v, want %+v", p, want)
	}
	identity, err := s.GetCallerIdentity(as(t.Context(), p), nil)
	if err != nil || *identity.Arn != p.ARN || *identity.UserId != p.ID {
		t.Errorf("GetCallerIdentity: %v %+v", err, identity)
	}
}

// What trust policies say to callers.
func TestTrust(t *testing.T) {
	t.Parallel()
	s := newService(t, newClock(), nil)
	first := newRole(t, s, "first", "/", trustOf(`{"AWS":"arn:aws:iam::123456789012:root"}`, ""))
	session := func(role, name string) call.Principal {
		out, err := s.AssumeRole(asRoot(t.Context()), &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: &name})
		if err != nil {
			t.Fatal(err)
		}
		return credential(t, s, out.Credentials)
	}
	root := call.Principal{Account: account, ARN: "arn:aws:iam::123456789012:root", ID: account}
	one := session(first, "one")
	stranger := call.Principal{Account: "999999999999", ARN: "arn:aws:iam::999999999999:root", ID: "999999999999"}
	condition := func(c string) string { return `,"Condition":` + c }
	for i, tt := range []struct {
		trust, external, name string
		who                   call.Principal
		allowed               bool
	}{
		{trustOf(`{"AWS":"*"}`, ""), "", "s1", root, true},
		{trustOf(`{"AWS":"123456789012"}`, ""), "", "s1", one, true},
		{trustOf(`{"AWS":"123456789012"}`, ""), "", "s1", stranger, false},
		{trustOf(`{"AWS":"999999999999"}`, ""), "", "s1", root, false},
		{trustOf(`{"AWS":"`+first+`"}`, ""), "", "s1", one, true},
		{trustOf(`{"AWS":"`+first+`"}`, ""), "", "s1", root, false},
		{trustOf(`{"AWS":"arn:aws:sts::123456789012:assumed-role/first/one"}`, ""), "", "s1", one, true},
		{trustOf(`{"AWS":"arn:aws:sts::123456789012:assumed-role/first/two"}`, ""), "", "s1", one, false},
		{lambdaTrust, "", "s1", root, false},
		{lambdaTrust, "", "s1", call.Principal{Service: lambdaService}, true},
		{trustOf(`"*"`, condition(`{"StringEquals":{"sts:ExternalId":"x-1"}}`)), "x-1", "s1", root, true},
		{trustOf(`"*"`, condition(`{"StringEquals":{"sts:ExternalId":"x-1"}}`)), "x-2", "s1", root, false},
		{trustOf(`"*"`, condition(`{"StringEquals":{"sts:ExternalId":"x-1"}}`)), "", "s1", root, false},
		{trustOf(`"*"`, condition(`{"StringLike":{"sts:RoleSessionName":"app-*"}}`)), "", "app-1", root, true},
		{trustOf(`"*"`, condition(`{"StringLike":{"sts:RoleSessionName":"app-*"}}`)), "", "other", root, false},
		{trustOf(`"*"`, condition(`{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"},"Bool":{"aws:SecureTransport":"true"}}`)), "", "s1", root, true},
		{trustOf(`"*"`, condition(`{"IpAddress":{"aws:SourceIp":"198.51.100.0/24"}}`)), "", "s1", root, false},
		{trustOf(`"*"`, condition(`{"ArnEquals":{"aws:PrincipalArn":"`+first+`"}}`)), "", "s1", one, true},
		{trustOf(`"*"`, condition(`{"ArnEquals":{"aws:PrincipalArn":"`+first+`"}}`)), "", "s1", root, false},
		{trustOf(`"*"`, condition(`{"StringEquals":{"aws:PrincipalAccount":"123456789012","aws:PrincipalType":"Account"}}`)), "", "s1", root, true},
		{trustOf(`"*"`, condition(`{"DateLessThan":{"aws:CurrentTime":"2030-01-01T00:00:00Z"}}`)), "", "s1", root, false},
		{trustOf(`"*"`, condition(`{"Bool":{"aws:MultiFactorAuthPresent":"true"}}`)), "", "s1", root, false},
	} {
		role := newRole(t, s, fmt.Sprint("r", i), "/", tt.trust)
		in := &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: &tt.name}
		if tt.external != "" {
			in.ExternalId = &tt.external
		}
		_, err := s.AssumeRole(as(t.Context(), tt.who), in)
		switch {
		case tt.allowed && err != nil:
			t.Errorf("%s to %s: %v", tt.trust, tt.who.ARN, err)
		case !tt.allowed:
			wantError(t, tt.trust+" to "+tt.who.ARN, err, "AccessDenied", "User: "+tt.who.ARN+" is not authorized to perform: sts:AssumeRole on resource: "+role)
		}
	}

	denies := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:*"},{"Effect":"Deny","Principal":{"AWS":"` + first + `"},"Action":"sts:AssumeRole"}]}`
	role := newRole(t, s, "denies", "/", denies)
	_, err := s.AssumeRole(as(t.Context(), one), &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: str("s1")})
	wantError(t, "denied", err, "AccessDenied", "User: "+one.ARN+" is not authorized to perform: sts:AssumeRole on resource: "+role+" with an explicit deny in a resource-based policy")
	if _, err := s.AssumeRole(as(t.Context(), root), &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: str("s1")}); err != nil {
		t.Errorf("root: %v", err)
	}

	// A role that is made anew is not the one that a policy meant.
	role = newRole(t, s, "friend", "/", trustOf(`{"AWS":"`+first+`"}`, ""))
	if _, err := s.DeleteRole(asRoot(t.Context()), &iam.DeleteRoleInput{RoleName: str("first")}); err != nil {
		t.Fatal(err)
	}
	newRole(t, s, "first", "/", trustOf(`{"AWS":"123456789012"}`, ""))
	impostor := session(first, "one")
	_, err = s.AssumeRole(as(t.Context(), impostor), &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: str("s1")})
	wantError(t, "another role of the name", err, "AccessDenied", "User: "+impostor.ARN+" is not authorized")
}

func TestAssumeRoleRefusals(t *testing.T) {
	t.Parallel()
	s := newService(t, newClock(), nil)
	long := "arn:aws:iam::123456789012:role/long"
	if _, err := s.CreateRole(asRoot(t.Context()), &iam.CreateRoleInput{RoleName: str("long"), AssumeRolePolicyDocument: str(trustOf(`{"AWS":"123456789012"}`, "")), MaxSessionDuration: aws.Int32(7200)}); err != nil {
		t.Fatal(err)
	}
	assume := func(who call.Principal, role string, change func(*sts.AssumeRoleInput)) (*sts.AssumeRoleOutput, error) {
		in := &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: str("s1")}
		if change != nil {
			change(in)
		}
		return s.AssumeRole(as(t.Context(), who), in)
	}
	root := call.Principal{Account: account, ARN: "arn:aws:iam::123456789012:root", ID: account}
	for role, code := range map[string]string{
		"not-an-arn-of-anything":                   "ValidationError",
		"arn:aws:iam::123456789012:role/none":      "AccessDenied",
		"arn:aws:iam::123456789012:role/path/long": "AccessDenied",
		"arn:aws:iam::123456789012:user/long":      "AccessDenied",
		"arn:aws:iam::999999999999:role/long":      "AccessDenied",
	} {
		_, err := assume(root, role, nil)
		wantError(t, role, err, code, "")
	}
	seconds := func(n int32) func(*sts.AssumeRoleInput) {
		return func(in *sts.AssumeRoleInput) { in.DurationSeconds = &n }
	}
	out, err := assume(root, long, seconds(7200))
	if err != nil {
		t.Fatal(err)
	}
	_, err = assume(root, long, seconds(7201))
	wantError(t, "longer than the role's", err, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	chained := credential(t, s, out.Credentials)
	_, err = assume(chained, long, seconds(3601))
	wantError(t, "a longer chain", err, "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	if _, err := assume(chained, long, seconds(3600)); err != nil {
		t.Errorf("a chain: %v", err)
	}
	for what, change := range map[string]func(*sts.AssumeRoleInput){
		"Policy":            func(in *sts.AssumeRoleInput) { in.Policy = str("{}") },
		"PolicyArns":        func(in *sts.AssumeRoleInput) { in.PolicyArns = []ststypes.PolicyDescriptorType{{Arn: str("x")}} },
		"Tags":              func(in *sts.AssumeRoleInput) { in.Tags = []ststypes.Tag{{Key: str("k"), Value: str("v")}} },
		"TransitiveTagKeys": func(in *sts.AssumeRoleInput) { in.TransitiveTagKeys = []string{"k"} },
		"SourceIdentity":    func(in *sts.AssumeRoleInput) { in.SourceIdentity = str("me") },
		"multi-factor":      func(in *sts.AssumeRoleInput) { in.SerialNumber, in.TokenCode = str("device"), str("123456") },
		"ProvidedContexts":  func(in *sts.AssumeRoleInput) { in.ProvidedContexts = []ststypes.ProvidedContext{{}} },
	} {
		_, err := assume(root, long, change)
		wantError(t, what, err, "ValidationError", what)
	}
}

func TestGetSessionToken(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := newService(t, c, nil)
	for given, want := range map[int32]time.Duration{0: time.Hour, 900: 15 * time.Minute, 129600: time.Hour} {
		in := &sts.GetSessionTokenInput{}
		if given > 0 {
			in.DurationSeconds = &given
		}
		out, err := s.GetSessionToken(asRoot(t.Context()), in)
		if err != nil || !out.Credentials.Expiration.Equal(c.at.Add(want)) {
			t.Fatalf("%d seconds: %v %+v", given, err, out)
		}
		p := credential(t, s, out.Credentials)
		if p.ARN != "arn:aws:iam::123456789012:root" || p.ID != account || p.Role != "" || p.AccessKeyID != *out.Credentials.AccessKeyId {
			t.Errorf("principal %+v", p)
		}
		_, err = s.GetSessionToken(as(t.Context(), p), &sts.GetSessionTokenInput{})
		wantError(t, "of a session", err, "AccessDenied", "Cannot call GetSessionToken with session credentials")
	}
	role := newRole(t, s, "r", "/", trustOf(`{"AWS":"123456789012"}`, ""))
	out, err := s.AssumeRole(asRoot(t.Context()), &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: str("s1")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.GetSessionToken(as(t.Context(), credential(t, s, out.Credentials)), &sts.GetSessionTokenInput{})
	wantError(t, "of a role", err, "AccessDenied", "Cannot call GetSessionToken with session credentials")
	_, err = s.GetSessionToken(asRoot(t.Context()), &sts.GetSessionTokenInput{TokenCode: str("123456")})
	wantError(t, "MFA", err, "ValidationError", "multi-factor")
}

func TestTrusts(t *testing.T) {
	t.Parallel()
	s := newService(t, newClock(), nil)
	lambda := newRole(t, s, "fn", "/service-role/", lambdaTrust)
	// Conditions about a source cannot hold for Lambda: it names none.
	sourced := newRole(t, s, "sourced", "/", trustOf(`{"Service":"lambda.amazonaws.com"}`, `,"Condition":{"StringEquals":{"aws:SourceAccount":"123456789012"}}`))
	for role, want := range map[string]bool{lambda: true, sourced: false, lambda + "x": false, "arn:aws:iam::123456789012:role/fn": false, "fn": false} {
		if got, err := s.Trusts(t.Context(), lambdaService, role); err != nil || got != want {
			t.Errorf("%s: %v, %v", role, got, err)
		}
	}
	if got, err := s.Trusts(t.Context(), "apigateway.amazonaws.com", lambda); err != nil || got {
		t.Errorf("another service: %v, %v", got, err)
	}
}
