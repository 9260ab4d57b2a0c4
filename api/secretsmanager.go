package api

import "countersign/service/secrets"

// SecretsManager lists what is built of AWS Secrets Manager (2017-10-17): all but
// rotation and replication.
func SecretsManager(s *secrets.Service) Service {
	return Service{ID: "secretsmanager", Operations: []Operation{
		op("BatchGetSecretValue", s.BatchGetSecretValue),
		op("CreateSecret", s.CreateSecret),
		op("DeleteResourcePolicy", s.DeleteResourcePolicy),
		op("DeleteSecret", s.DeleteSecret),
		op("DescribeSecret", s.DescribeSecret),
		op("GetRandomPassword", s.GetRandomPassword),
		op("GetResourcePolicy", s.GetResourcePolicy),
		op("GetSecretValue", s.GetSecretValue),
		op("ListSecretVersionIds", s.ListSecretVersionIds),
		op("ListSecrets", s.ListSecrets),
		op("PutResourcePolicy", s.PutResourcePolicy),
		op("PutSecretValue", s.PutSecretValue),
		op("RestoreSecret", s.RestoreSecret),
		op("TagResource", s.TagResource),
		op("UntagResource", s.UntagResource),
		op("UpdateSecret", s.UpdateSecret),
		op("UpdateSecretVersionStage", s.UpdateSecretVersionStage),
		op("ValidateResourcePolicy", s.ValidateResourcePolicy),
	}}
}
