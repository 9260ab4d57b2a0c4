package secrets

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/call"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/uuid"
)

func (b *bench) value(id string) string {
	b.t.Helper()
	return aws.ToString(do(b, b.GetSecretValue, &secretsmanager.GetSecretValueInput{SecretId: &id}).SecretString)
}

func TestCreateSecret(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	in := &secretsmanager.CreateSecretInput{
		Name: aws.String("Valid/_+=.@-Name"), SecretString: aws.String("my_secret"), Description: aws.String("about"), ClientRequestToken: token(),
		KmsKeyId: aws.String("alias/own"), Tags: []smtypes.Tag{{Key: aws.String("b"), Value: aws.String("2")}, {Key: aws.String("a"), Value: aws.String("1")}},
	}
	out := do(b, b.CreateSecret, in)
	if want := "arn:aws:secretsmanager:" + testRegion + ":" + testAccount + ":secret:Valid/_+=.@-Name-"; !strings.HasPrefix(*out.ARN, want) || len(*out.ARN) != len(want)+6 {
		t.Errorf("ARN %s, want %s and six characters", *out.ARN, want)
	}
	if *out.VersionId != *in.ClientRequestToken {
		t.Errorf("version %s, want the token %s", *out.VersionId, *in.ClientRequestToken)
	}
	got := do(b, b.DescribeSecret, &secretsmanager.DescribeSecretInput{SecretId: out.ARN})
	if *got.Name != *in.Name || *got.Description != "about" || *got.KmsKeyId != "alias/own" || !got.CreatedDate.Equal(b.clock.Now()) || got.LastAccessedDate != nil || got.DeletedDate != nil {
		t.Errorf("described: %+v", got)
	}
	if len(got.Tags) != 2 || *got.Tags[0].Key != "a" || !reflect.DeepEqual(got.VersionIdsToStages, map[string][]string{*out.VersionId: {"AWSCURRENT"}}) {
		t.Errorf("tags %+v, versions %v", got.Tags, got.VersionIdsToStages)
	}

	// The same again is the same; under the token another value is not, nor the name under another token.
	if again := do(b, b.CreateSecret, in); *again.ARN != *out.ARN || *again.VersionId != *out.VersionId {
		t.Errorf("again: %+v", again)
	}
	other := *in
	other.SecretString = aws.String("another")
	refused(b, b.CreateSecret, &other, "ResourceExistsException", "already in use for a version of secret "+*out.ARN)
	other = *in
	other.ClientRequestToken = token()
	refused(b, b.CreateSecret, &other, "ResourceExistsException", "The operation failed because the secret Valid/_+=.@-Name already exists.")

	// A secret without a value, and its first one.
	empty := &secretsmanager.CreateSecretInput{Name: aws.String("empty"), ClientRequestToken: token()}
	made := do(b, b.CreateSecret, empty)
	if made.VersionId != nil || *do(b, b.CreateSecret, empty).ARN != *made.ARN {
		t.Errorf("an empty secret: %+v", made)
	}
	refused(b, b.GetSecretValue, &secretsmanager.GetSecretValueInput{SecretId: made.ARN}, "ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT")
	put := do(b, b.PutSecretValue, &secretsmanager.PutSecretValueInput{SecretId: made.ARN, SecretBinary: []byte{0, 1}, ClientRequestToken: token(), VersionStages: []string{"mine"}})
	if !slices.Equal(put.VersionStages, []string{"AWSCURRENT", "mine"}) {
		t.Errorf("stages of the first version: %q", put.VersionStages)
	}
	if v := do(b, b.GetSecretValue, &secretsmanager.GetSecretValueInput{SecretId: made.ARN}); v.SecretString != nil || !slices.Equal(v.SecretBinary, []byte{0, 1}) {
		t.Errorf("binary value: %+v", v)
	}
}

func TestSecretRefusals(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const invalidName = "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!"
	for _, name := range []string{" Inv *?!]Name\\-", "a b", "é", "a:b", "a\x00"} {
		refused(b, b.CreateSecret, &secretsmanager.CreateSecretInput{Name: &name, ClientRequestToken: token()}, "ValidationException", invalidName)
		refused(b, b.GetSecretValue, &secretsmanager.GetSecretValueInput{SecretId: &name}, "ValidationException", invalidName)
	}
	id, version := b.secret("s", "v")
	both := secretsmanager.PutSecretValueInput{SecretId: id, SecretString: aws.String("a"), SecretBinary: []byte("a"), ClientRequestToken: token()}
	refused(b, b.PutSecretValue, &both, "InvalidParameterException", "both a binary secret value and a string")
	refused(b, b.PutSecretValue, &secretsmanager.PutSecretValueInput{SecretId: id, ClientRequestToken: token()}, "InvalidRequestException", "either SecretString or SecretBinary")
	refused(b, b.PutSecretValue, &secretsmanager.PutSecretValueInput{SecretId: id, SecretString: aws.String("a")}, "InvalidRequestException", "You must provide a ClientRequestToken value.")
	refused(b, b.PutSecretValue, &secretsmanager.PutSecretValueInput{SecretId: id, SecretString: aws.String("w"), ClientRequestToken: version}, "ResourceExistsException", "already in use")
	refused(b, b.UpdateSecret, &secretsmanager.UpdateSecretInput{SecretId: id, SecretString: aws.String("w"), ClientRequestToken: version}, "ResourceExistsException", "already in use")
	refused(b, b.GetSecretValue, &secretsmanager.GetSecretValueInput{SecretId: id, VersionStage: aws.String("AWSPREVIOUS")}, "ResourceNotFoundException", "can't find the specified secret value for staging label: AWSPREVIOUS")
	refused(b, b.GetSecretValue, &secretsmanager.GetSecretValueInput{SecretId: id, VersionId: aws.String(uuid.NewString())}, "ResourceNotFoundException", "for VersionId: ")
	refused(b, b.GetSecretValue, &secretsmanager.GetSecretValueInput{SecretId: id, VersionId: version, VersionStage: aws.String("AWSPENDING")}, "InvalidRequestException", "not associated to the provided VersionId")
	refused(b, b.GetSecretValue, &secretsmanager.GetSecretValueInput{SecretId: aws.String("absent")}, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
	refused(b, b.CreateSecret, &secretsmanager.CreateSecretInput{Name: aws.String("r"), ClientRequestToken: token(), AddReplicaRegions: []smtypes.ReplicaRegionType{{}}}, "InvalidParameterException", "AddReplicaRegions is not built")
	refused(b, b.CreateSecret, &secretsmanager.CreateSecretInput{Name: aws.String("r"), ClientRequestToken: token(), Type: aws.String("x")}, "InvalidParameterException", "Type is not built")
	refused(b, b.DeleteSecret, &secretsmanager.DeleteSecretInput{SecretId: id, RecoveryWindowInDays: aws.Int64(6)}, "InvalidParameterException", "between 7 and 30 days")
	refused(b, b.DeleteSecret, &secretsmanager.DeleteSecretInput{SecretId: id, RecoveryWindowInDays: aws.Int64(7), ForceDeleteWithoutRecovery: aws.Bool(true)}, "InvalidParameterException", "in conjunction")
	refused(b, b.TagResource, &secretsmanager.TagResourceInput{SecretId: id, Tags: []smtypes.Tag{{Key: aws.String("AWS:x"), Value: aws.String("")}}}, "InvalidParameterException", "reserved")
	var many []smtypes.Tag
	for i := range 51 {
		many = append(many, smtypes.Tag{Key: aws.String(fmt.Sprint(i)), Value: aws.String("")})
	}
	refused(b, b.TagResource, &secretsmanager.TagResourceInput{SecretId: id, Tags: many}, "InvalidParameterException", "at most 50 tags")
	if got := do(b, b.DescribeSecret, &secretsmanager.DescribeSecretInput{SecretId: id}); len(got.Tags) != 0 || len(got.VersionIdsToStages) != 1 {
		t.Errorf("refusals have left something: %+v", got)
	}
}

// Ids: the name, the ARN, the ARN without its suffix; nothing else.
func TestFindSecret(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	arn, _ := b.secret("team/db", "1")
	// A name that looks like another's ARN without region and account.
	confusing, _ := b.secret("team/db-abcdef", "2")
	for id, want := range map[string]string{
		"team/db": "1", *arn: "1", (*arn)[:len(*arn)-7]: "1",
		"team/db-abcdef": "2", *confusing: "2", (*confusing)[:len(*confusing)-7]: "2",
	} {
		if got := b.value(id); got != want {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
	for id, code := range map[string]string{
		(*arn)[:len(*arn)-1]:                                     "ResourceNotFoundException",
		(*arn)[:len(*arn)-6] + "AAAAAA":                          "ResourceNotFoundException",
		strings.Replace(*arn, testRegion, "us-east-1", 1):        "ResourceNotFoundException",
		strings.Replace(*arn, testAccount, "999999999999", 1):    "ResourceNotFoundException",
		"arn:aws:secretsmanager:" + testRegion + "::secret:team": "ResourceNotFoundException",
		"arn:aws:s3:::secret:team/db":                            "ValidationException",
		"arn:aws:secretsmanager":                                 "ValidationException",
	} {
		refused(b, b.GetSecretValue, &secretsmanager.GetSecretValueInput{SecretId: &id}, code, "")
	}
	elsewhere := call.From(b.ctx)
	elsewhere.Region = "us-east-1"
	b.ctx = call.With(b.ctx, elsewhere)
	refused(b, b.GetSecretValue, &secretsmanager.GetSecretValueInput{SecretId: aws.String("team/db")}, "ResourceNotFoundException", "")
}

// stagesOf are the staging labels of versions by the number they were made in, from 1.
func (b *bench) stagesOf(id *string, versions []string, deprecated bool) map[int]string {
	b.t.Helper()
	out := map[int]string{}
	for _, v := range do(b, b.ListSecretVersionIds, &secretsmanager.ListSecretVersionIdsInput{SecretId: id, IncludeDeprecated: &deprecated}).Versions {
		out[slices.Index(versions, *v.VersionId)+1] = strings.Join(v.VersionStages, " ")
	}
	return out
}

// What moves, as AWS was recorded to move it (in the tests of an emulator).
func TestStages(t *testing.T) {
	t.Parallel()
	type step struct {
		put        []string // stages of a new version; nil: none given
		stage      string   // or move this stage
		to, from   int      // between versions
		wantStages map[int]string
	}
	for name, steps := range map[string][]step{
		"current and previous": {
			{put: nil, wantStages: map[int]string{1: "AWSPREVIOUS", 2: "AWSCURRENT"}},
			{put: nil, wantStages: map[int]string{2: "AWSPREVIOUS", 3: "AWSCURRENT"}},
		},
		"pending becomes current": {
			{put: []string{"AWSPENDING"}, wantStages: map[int]string{1: "AWSCURRENT", 2: "AWSPENDING"}},
			{stage: "AWSCURRENT", to: 2, from: 1, wantStages: map[int]string{1: "AWSPREVIOUS", 2: "AWSCURRENT AWSPENDING"}},
			{put: nil, wantStages: map[int]string{2: "AWSPREVIOUS", 3: "AWSCURRENT"}},
		},
		"a cycle with pending": {
			{put: []string{"AWSPENDING"}, wantStages: map[int]string{1: "AWSCURRENT", 2: "AWSPENDING"}},
			{stage: "AWSCURRENT", to: 2, from: 1, wantStages: map[int]string{1: "AWSPREVIOUS", 2: "AWSCURRENT AWSPENDING"}},
			{put: []string{"AWSPENDING"}, wantStages: map[int]string{1: "AWSPREVIOUS", 2: "AWSCURRENT", 3: "AWSPENDING"}},
			{stage: "AWSCURRENT", to: 3, from: 2, wantStages: map[int]string{2: "AWSPREVIOUS", 3: "AWSCURRENT AWSPENDING"}},
		},
		"a cycle with labels of one's own": {
			{put: []string{"PUT0", "AWSCURRENT"}, wantStages: map[int]string{1: "AWSPREVIOUS", 2: "AWSCURRENT PUT0"}},
			{put: []string{"AWSPENDING", "PUT1"}, wantStages: map[int]string{1: "AWSPREVIOUS", 2: "AWSCURRENT PUT0", 3: "AWSPENDING PUT1"}},
			{stage: "AWSCURRENT", to: 3, from: 2, wantStages: map[int]string{2: "AWSPREVIOUS PUT0", 3: "AWSCURRENT AWSPENDING PUT1"}},
			{put: []string{"AWSPENDING", "PUT2"}, wantStages: map[int]string{2: "AWSPREVIOUS PUT0", 3: "AWSCURRENT PUT1", 4: "AWSPENDING PUT2"}},
			{stage: "AWSCURRENT", to: 4, from: 3, wantStages: map[int]string{2: "PUT0", 3: "AWSPREVIOUS PUT1", 4: "AWSCURRENT AWSPENDING PUT2"}},
		},
		"labels alone": {
			{put: []string{"two", "one", "three"}, wantStages: map[int]string{1: "AWSCURRENT", 2: "one three two"}},
			{put: []string{"four", "two", "one"}, wantStages: map[int]string{1: "AWSCURRENT", 2: "three", 3: "four one two"}},
			{stage: "three", from: 2, wantStages: map[int]string{1: "AWSCURRENT", 3: "four one two"}},
		},
		"back to the previous one": {
			{put: nil, wantStages: map[int]string{1: "AWSPREVIOUS", 2: "AWSCURRENT"}},
			{stage: "AWSCURRENT", to: 1, from: 2, wantStages: map[int]string{1: "AWSCURRENT", 2: "AWSPREVIOUS"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			id, first := b.secret("s", "0")
			versions := []string{*first}
			for i, st := range steps {
				if st.stage == "" {
					out := do(b, b.PutSecretValue, &secretsmanager.PutSecretValueInput{SecretId: id, SecretString: aws.String(fmt.Sprint(i)), ClientRequestToken: token(), VersionStages: st.put})
					versions = append(versions, *out.VersionId)
				} else {
					in := &secretsmanager.UpdateSecretVersionStageInput{SecretId: id, VersionStage: &st.stage, RemoveFromVersionId: &versions[st.from-1]}
					if st.to > 0 {
						in.MoveToVersionId = &versions[st.to-1]
					}
					do(b, b.UpdateSecretVersionStage, in)
				}
				if got := b.stagesOf(id, versions, false); !reflect.DeepEqual(got, st.wantStages) {
					t.Fatalf("step %d: got %v, want %v", i, got, st.wantStages)
				}
			}
			if got := b.stagesOf(id, versions, true); len(got) != len(versions) {
				t.Errorf("with deprecated ones: %v", got)
			}
		})
	}
}

func TestMovingStagesIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id, one := b.secret("s", "1")
	two := do(b, b.PutSecretValue, &secretsmanager.PutSecretValueInput{SecretId: id, SecretString: aws.String("2"), ClientRequestToken: token()}).VersionId
	current := aws.String("AWSCURRENT")
	for text, in := range map[string]*secretsmanager.UpdateSecretVersionStageInput{
		"RemoveFromVersionId can't be empty. Staging label AWSCURRENT is currently attached to version " + *two: {MoveToVersionId: one},
		"refers to version " + *one:      {MoveToVersionId: two, RemoveFromVersionId: one},
		"It can't be completely removed": {RemoveFromVersionId: two},
		"You must provide":               {},
	} {
		in.SecretId, in.VersionStage = id, current
		refused(b, b.UpdateSecretVersionStage, in, "InvalidParameterException", text)
	}
	refused(b, b.UpdateSecretVersionStage, &secretsmanager.UpdateSecretVersionStageInput{SecretId: id, VersionStage: current, MoveToVersionId: token(), RemoveFromVersionId: two}, "ResourceNotFoundException", "")
	for i := range maxStages - 1 {
		do(b, b.UpdateSecretVersionStage, &secretsmanager.UpdateSecretVersionStageInput{SecretId: id, VersionStage: aws.String(fmt.Sprint(i)), MoveToVersionId: two})
	}
	refused(b, b.UpdateSecretVersionStage, &secretsmanager.UpdateSecretVersionStageInput{SecretId: id, VersionStage: aws.String("more"), MoveToVersionId: two}, "LimitExceededException", "at most 20")
}

func TestUpdateSecret(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id, first := b.secret("s", "1")
	out := do(b, b.UpdateSecret, &secretsmanager.UpdateSecretInput{SecretId: id, Description: aws.String("d"), KmsKeyId: aws.String("alias/k"), ClientRequestToken: token()})
	if out.VersionId != nil || b.value("s") != "1" {
		t.Errorf("a change of the description made version %v", out.VersionId)
	}
	b.clock.Advance(time.Hour)
	second := do(b, b.UpdateSecret, &secretsmanager.UpdateSecretInput{SecretId: id, SecretString: aws.String("2"), ClientRequestToken: token()})
	again := do(b, b.UpdateSecret, &secretsmanager.UpdateSecretInput{SecretId: id, SecretString: aws.String("2"), ClientRequestToken: second.VersionId})
	if *again.VersionId != *second.VersionId || b.value("s") != "2" {
		t.Errorf("again: %+v", again)
	}
	got := do(b, b.DescribeSecret, &secretsmanager.DescribeSecretInput{SecretId: id})
	want := map[string][]string{*first: {"AWSPREVIOUS"}, *second.VersionId: {"AWSCURRENT"}}
	if *got.Description != "d" || !got.LastChangedDate.Equal(b.clock.Now()) || !reflect.DeepEqual(got.VersionIdsToStages, want) {
		t.Errorf("described: %+v", got)
	}
	for _, v := range do(b, b.ListSecretVersionIds, &secretsmanager.ListSecretVersionIdsInput{SecretId: id}).Versions {
		if !slices.Equal(v.KmsKeyIds, []string{"alias/k"}) {
			t.Errorf("keys of version %s: %q", *v.VersionId, v.KmsKeyIds)
		}
	}
}

// The day of the last access is noted, once a day.
func TestLastAccess(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id, _ := b.secret("s", "1")
	for range 2 {
		b.value("s")
		// What Later was given is committed before what Commit is given after it.
		if _, err := b.store.Commit(b.ctx, new(store.Batch).Put("test", "x", nil)); err != nil {
			t.Fatal(err)
		}
		day := b.clock.Now().Truncate(24 * time.Hour)
		got := do(b, b.DescribeSecret, &secretsmanager.DescribeSecretInput{SecretId: id})
		if got.LastAccessedDate == nil || !got.LastAccessedDate.Equal(day) {
			t.Errorf("last access: %v, want %v", got.LastAccessedDate, day)
		}
		b.clock.Advance(30 * time.Hour)
	}
}

// Of many versions those without labels go, a day after they were made.
func TestOldVersionsGo(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id, _ := b.secret("s", "0")
	put := func() {
		do(b, b.PutSecretValue, &secretsmanager.PutSecretValueInput{SecretId: id, SecretString: aws.String("v"), ClientRequestToken: token()})
	}
	count := func() (n int) {
		in := &secretsmanager.ListSecretVersionIdsInput{SecretId: id, IncludeDeprecated: aws.Bool(true), MaxResults: aws.Int32(50)}
		for {
			out := do(b, b.ListSecretVersionIds, in)
			n += len(out.Versions)
			if in.NextToken = out.NextToken; in.NextToken == nil {
				return n
			}
		}
	}
	for range 120 {
		put()
	}
	if n := count(); n != 121 {
		t.Errorf("%d versions on the first day, want 121", n)
	}
	b.clock.Advance(25 * time.Hour)
	put()
	if n := count(); n != keptLong {
		t.Errorf("%d versions on the next day, want %d", n, keptLong)
	}
	values, err := b.store.List(b.ctx, kindValue, "", "", 0)
	if err != nil || len(values) != keptLong {
		t.Errorf("%d values are kept, %v", len(values), err)
	}
	refused(b, b.ListSecretVersionIds, &secretsmanager.ListSecretVersionIdsInput{SecretId: id, NextToken: aws.String("x")}, "InvalidNextTokenException", "")
}

func TestDeleteSecret(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	run := func() time.Time {
		t.Helper()
		next, err := b.DeleteDue(b.ctx)
		if err != nil {
			t.Fatal(err)
		}
		return next
	}
	arn, _ := b.secret("s", "1")
	out := do(b, b.DeleteSecret, &secretsmanager.DeleteSecretInput{SecretId: arn, RecoveryWindowInDays: aws.Int64(7)})
	due := b.clock.Now().Add(7 * 24 * time.Hour)
	if !out.DeletionDate.Equal(due) || !run().Equal(due) {
		t.Errorf("deletion at %v, want %v", out.DeletionDate, due)
	}
	const marked = "You can't perform this operation on the secret because it was marked for deletion."
	refused(b, b.GetSecretValue, &secretsmanager.GetSecretValueInput{SecretId: arn}, "InvalidRequestException", marked)
	refused(b, b.PutSecretValue, &secretsmanager.PutSecretValueInput{SecretId: arn, SecretString: aws.String("2"), ClientRequestToken: token()}, "InvalidRequestException", marked)
	refused(b, b.DeleteSecret, &secretsmanager.DeleteSecretInput{SecretId: arn}, "InvalidRequestException", marked)
	refused(b, b.CreateSecret, &secretsmanager.CreateSecretInput{Name: aws.String("s"), ClientRequestToken: token()}, "InvalidRequestException", "already scheduled for deletion")
	if got := do(b, b.DescribeSecret, &secretsmanager.DescribeSecretInput{SecretId: arn}); !got.DeletedDate.Equal(due) {
		t.Errorf("described: %+v", got)
	}
	if n := len(do(b, b.ListSecrets, &secretsmanager.ListSecretsInput{}).SecretList); n != 0 {
		t.Errorf("%d secrets are listed, want none", n)
	}
	if n := len(do(b, b.ListSecrets, &secretsmanager.ListSecretsInput{IncludePlannedDeletion: aws.Bool(true)}).SecretList); n != 1 {
		t.Errorf("%d secrets are listed with those that go, want 1", n)
	}

	// Restored, it stays when its time would have come.
	do(b, b.RestoreSecret, &secretsmanager.RestoreSecretInput{SecretId: arn})
	do(b, b.RestoreSecret, &secretsmanager.RestoreSecretInput{SecretId: arn})
	b.clock.Advance(8 * 24 * time.Hour)
	if !run().IsZero() || b.value("s") != "1" {
		t.Error("a restored secret is gone")
	}

	do(b, b.DeleteSecret, &secretsmanager.DeleteSecretInput{SecretId: arn})
	b.clock.Advance(30*24*time.Hour - time.Second)
	run()
	do(b, b.DescribeSecret, &secretsmanager.DescribeSecretInput{SecretId: arn})
	b.clock.Advance(time.Second)
	if !run().IsZero() {
		t.Error("there is more to delete")
	}
	refused(b, b.DescribeSecret, &secretsmanager.DescribeSecretInput{SecretId: arn}, "ResourceNotFoundException", "")
	b.wantNothing()

	// At once: by a name that is free again, under another ARN.
	first, _ := b.secret("s", "1")
	do(b, b.DeleteSecret, &secretsmanager.DeleteSecretInput{SecretId: first})
	do(b, b.DeleteSecret, &secretsmanager.DeleteSecretInput{SecretId: first, ForceDeleteWithoutRecovery: aws.Bool(true)})
	b.wantNothing()
	second, _ := b.secret("s", "2")
	if *first == *second {
		t.Errorf("two secrets have the ARN %s", *first)
	}
	refused(b, b.GetSecretValue, &secretsmanager.GetSecretValueInput{SecretId: first}, "ResourceNotFoundException", "")
	absent := do(b, b.DeleteSecret, &secretsmanager.DeleteSecretInput{SecretId: aws.String("absent"), ForceDeleteWithoutRecovery: aws.Bool(true)})
	if *absent.Name != "absent" || absent.DeletionDate == nil {
		t.Errorf("the forced deletion of none: %+v", absent)
	}
}

// wantNothing demands that no record of Secrets Manager is left.
func (b *bench) wantNothing() {
	b.t.Helper()
	for _, kind := range []string{kindSecret, kindValue, KindDeletion} {
		left, err := b.store.List(b.ctx, kind, "", "", 0)
		if err != nil || len(left) > 0 {
			b.t.Errorf("%s: %d records are left, %v", kind, len(left), err)
		}
	}
}

func TestListSecrets(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for i, name := range []string{"prod/db", "prod/api", "test/db"} {
		stage, _, _ := strings.Cut(name, "/")
		do(b, b.CreateSecret, &secretsmanager.CreateSecretInput{
			Name: &name, Description: aws.String(fmt.Sprintf("Number %d", i)), ClientRequestToken: token(),
			Tags: []smtypes.Tag{{Key: aws.String("Stage"), Value: &stage}, {Key: aws.String(name), Value: aws.String("x")}},
		})
		b.clock.Advance(time.Minute)
	}
	list := func(in *secretsmanager.ListSecretsInput) string {
		t.Helper()
		var names []string
		for {
			out := do(b, b.ListSecrets, in)
			for _, e := range out.SecretList {
				names = append(names, *e.Name)
			}
			if in.NextToken = out.NextToken; in.NextToken == nil {
				return strings.Join(names, " ")
			}
		}
	}
	for _, size := range []int32{1, 2, 100} {
		for _, tt := range []struct {
			by    smtypes.SortByType
			order smtypes.SortOrderType
			want  string
		}{
			{"", "", "prod/db prod/api test/db"}, {"", "desc", "test/db prod/api prod/db"},
			{"name", "asc", "prod/api prod/db test/db"}, {"name", "desc", "test/db prod/db prod/api"},
			{"last-changed-date", "asc", "prod/db prod/api test/db"}, {"last-accessed-date", "", "prod/api prod/db test/db"},
		} {
			if got := list(&secretsmanager.ListSecretsInput{MaxResults: &size, SortBy: tt.by, SortOrder: tt.order}); got != tt.want {
				t.Errorf("by %q %q, %d at a time: %s, want %s", tt.by, tt.order, size, got, tt.want)
			}
		}
	}
	for _, tt := range []struct {
		key    smtypes.FilterNameStringType
		values []string
		want   string
	}{
		{"name", []string{"prod/"}, "prod/db prod/api"}, {"name", []string{"Prod"}, ""}, {"name", []string{"test", "prod/a"}, "prod/api test/db"},
		{"name", []string{"!prod/"}, "test/db"}, {"name", []string{"prod/", "!prod/d"}, "prod/api"},
		{"description", []string{"number 1"}, "prod/api"}, {"tag-key", []string{"Sta"}, "prod/db prod/api test/db"}, {"tag-key", []string{"test/"}, "test/db"},
		{"tag-value", []string{"prod"}, "prod/db prod/api"}, {"all", []string{"NUMBER db"}, "prod/db test/db"}, {"all", []string{"stage 2"}, "test/db"},
		{"owning-service", []string{"rds"}, ""}, {"primary-region", []string{"!eu"}, "prod/db prod/api test/db"},
	} {
		if got := list(&secretsmanager.ListSecretsInput{Filters: []smtypes.Filter{{Key: tt.key, Values: tt.values}}}); got != tt.want {
			t.Errorf("%s %q: %q, want %q", tt.key, tt.values, got, tt.want)
		}
	}
	if got := list(&secretsmanager.ListSecretsInput{Filters: []smtypes.Filter{{Key: "name", Values: []string{"prod"}}, {Key: "description", Values: []string{"number 0"}}}}); got != "prod/db" {
		t.Errorf("two filters: %q", got)
	}
	refused(b, b.ListSecrets, &secretsmanager.ListSecretsInput{NextToken: aws.String("!")}, "InvalidNextTokenException", "")
	refused(b, b.ListSecrets, &secretsmanager.ListSecretsInput{Filters: []smtypes.Filter{{}}}, "InvalidParameterException", "")
}

func TestBatchGetSecretValue(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, name := range []string{"a", "b", "c"} {
		b.secret(name, "value of "+name)
		b.clock.Advance(time.Second)
	}
	in := &secretsmanager.BatchGetSecretValueInput{Filters: []smtypes.Filter{{Key: "name", Values: []string{"a", "b", "c"}}}, MaxResults: aws.Int32(2)}
	var got []string
	for {
		out := do(b, b.BatchGetSecretValue, in)
		for _, v := range out.SecretValues {
			got = append(got, *v.SecretString)
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	if !slices.Equal(got, []string{"value of a", "value of b", "value of c"}) {
		t.Errorf("values: %q", got)
	}
	refused(b, b.BatchGetSecretValue, &secretsmanager.BatchGetSecretValueInput{}, "InvalidParameterException", "but not both")
	refused(b, b.BatchGetSecretValue, &secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{"a"}, MaxResults: aws.Int32(1)}, "InvalidParameterException", "'Filters' not specified")
}

func TestSecretTags(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id, _ := b.secret("s", "1")
	tag := func(k, v string) smtypes.Tag { return smtypes.Tag{Key: &k, Value: &v} }
	do(b, b.TagResource, &secretsmanager.TagResourceInput{SecretId: id, Tags: []smtypes.Tag{tag("a", "1"), tag("b", "2")}})
	do(b, b.TagResource, &secretsmanager.TagResourceInput{SecretId: id, Tags: []smtypes.Tag{tag("a", "3")}})
	do(b, b.UntagResource, &secretsmanager.UntagResourceInput{SecretId: id, TagKeys: []string{"b", "absent"}})
	got := do(b, b.DescribeSecret, &secretsmanager.DescribeSecretInput{SecretId: id}).Tags
	if len(got) != 1 || *got[0].Key != "a" || *got[0].Value != "3" {
		t.Errorf("tags: %+v", got)
	}
}

func TestResourcePolicy(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id, _ := b.secret("s", "1")
	const (
		open  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"secretsmanager:GetSecretValue","Resource":"*"}]}`
		tied  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"secretsmanager:*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalAccount":"123456789012"}}}]}`
		loose = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"secretsmanager:*","Resource":"*","Condition":{"StringEquals":{"aws:RequestedRegion":"eu-west-1"}}}]}`
		named = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"secretsmanager:*","Resource":"*"},{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}]}`
	)
	for _, policy := range []string{open, loose} {
		refused(b, b.PutResourcePolicy, &secretsmanager.PutResourcePolicyInput{SecretId: id, ResourcePolicy: &policy, BlockPublicPolicy: aws.Bool(true)}, "PublicPolicyException", "")
		if out := do(b, b.ValidateResourcePolicy, &secretsmanager.ValidateResourcePolicyInput{ResourcePolicy: &policy}); out.PolicyValidationPassed || len(out.ValidationErrors) != 1 {
			t.Errorf("%s: %+v", policy, out)
		}
	}
	refused(b, b.PutResourcePolicy, &secretsmanager.PutResourcePolicyInput{SecretId: id, ResourcePolicy: aws.String(`{"Statement":[]}`)}, "MalformedPolicyDocumentException", "")
	if got := do(b, b.GetResourcePolicy, &secretsmanager.GetResourcePolicyInput{SecretId: id}); got.ResourcePolicy != nil {
		t.Errorf("a refused policy was kept: %s", *got.ResourcePolicy)
	}
	for _, policy := range []string{tied, named} {
		do(b, b.PutResourcePolicy, &secretsmanager.PutResourcePolicyInput{SecretId: id, ResourcePolicy: &policy, BlockPublicPolicy: aws.Bool(true)})
		if got := do(b, b.GetResourcePolicy, &secretsmanager.GetResourcePolicyInput{SecretId: id}); *got.ResourcePolicy != policy {
			t.Errorf("got %s, want %s", *got.ResourcePolicy, policy)
		}
		if out := do(b, b.ValidateResourcePolicy, &secretsmanager.ValidateResourcePolicyInput{SecretId: id, ResourcePolicy: &policy}); !out.PolicyValidationPassed {
			t.Errorf("%s: %+v", policy, out)
		}
	}
	do(b, b.DeleteResourcePolicy, &secretsmanager.DeleteResourcePolicyInput{SecretId: id})
	if got := do(b, b.GetResourcePolicy, &secretsmanager.GetResourcePolicyInput{SecretId: id}); got.ResourcePolicy != nil {
		t.Errorf("after deletion: %s", *got.ResourcePolicy)
	}
}

func TestGetRandomPassword(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	no, yes := aws.Bool(false), aws.Bool(true)
	for _, in := range []*secretsmanager.GetRandomPasswordInput{
		{}, {PasswordLength: aws.Int64(4)}, {PasswordLength: aws.Int64(4096)}, {PasswordLength: aws.Int64(1), RequireEachIncludedType: no},
		{ExcludePunctuation: yes, ExcludeUppercase: yes}, {ExcludeCharacters: aws.String(`"@/\abcdefghijklmnopqrstuvwxyz`)}, {IncludeSpace: yes, PasswordLength: aws.Int64(500)},
		{ExcludeLowercase: yes, ExcludeUppercase: yes, ExcludePunctuation: yes, PasswordLength: aws.Int64(6)},
	} {
		for range 20 {
			got := *do(b, b.GetRandomPassword, in).RandomPassword
			length := 32
			if in.PasswordLength != nil {
				length = int(*in.PasswordLength)
			}
			if len(got) != length || strings.ContainsAny(got, aws.ToString(in.ExcludeCharacters)) {
				t.Fatalf("%+v: %q", in, got)
			}
			for letters, excluded := range map[string]*bool{lowercase: in.ExcludeLowercase, uppercase: in.ExcludeUppercase, digits: in.ExcludeNumbers, punctuation: in.ExcludePunctuation} {
				has := strings.ContainsAny(got, letters)
				none := strings.Trim(letters, aws.ToString(in.ExcludeCharacters)) == ""
				if has && aws.ToBool(excluded) || !has && !aws.ToBool(excluded) && !none && in.RequireEachIncludedType == nil {
					t.Fatalf("%+v: %q has some of %s: %v", in, got, letters, has)
				}
			}
			if strings.Contains(got, " ") && !aws.ToBool(in.IncludeSpace) {
				t.Fatalf("%q has a space", got)
			}
		}
	}
	refused(b, b.GetRandomPassword, &secretsmanager.GetRandomPasswordInput{PasswordLength: aws.Int64(3)}, "InvalidParameterException", "Password length is too short based on the required types.")
	refused(b, b.GetRandomPassword, &secretsmanager.GetRandomPasswordInput{ExcludeLowercase: yes, ExcludeUppercase: yes, ExcludePunctuation: yes, ExcludeNumbers: yes}, "InvalidParameterException", "No characters are left")
}

// Every letter, and every place for the letters that are required, comes up about as often as it should.
func TestPasswordsAreEven(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const rounds = 4000
	places, letters := [4]int{}, map[rune]int{}
	for range rounds {
		got := *do(b, b.GetRandomPassword, &secretsmanager.GetRandomPasswordInput{PasswordLength: aws.Int64(4)}).RandomPassword
		places[strings.IndexAny(got, digits)]++
		for _, r := range got {
			letters[r]++
		}
	}
	for i, n := range places {
		if n < rounds/4-200 || n > rounds/4+200 { // 27 is the standard deviation
			t.Errorf("the digit stood at place %d %d times of %d", i, n, rounds)
		}
	}
	for _, class := range []string{lowercase, uppercase, digits, punctuation} {
		for _, r := range class {
			want := float64(rounds) / float64(len(class))
			if n := float64(letters[r]); n < want*0.5 || n > want*1.6 {
				t.Errorf("%q came up %v times, want about %v", r, n, want)
			}
		}
	}
}
