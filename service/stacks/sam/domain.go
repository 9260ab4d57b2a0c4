package sam

import (
	"regexp"
	"slices"
	"strings"
)

// A custom domain of an API: the domain name with its certificate and its trust
// store for mutual TLS, the base paths that lead to the API, and DNS records.

// addHTTPDomain adds the custom domain of an HTTP API.
func (t *transform) addHTTPDomain(s *source, domain object) error {
	name, certificate := domain["DomainName"], domain["CertificateArn"]
	if name == nil || certificate == nil {
		return badResource(s.id, "Custom Domains only works if both DomainName and CertificateArn are provided.")
	}
	if endpoint := domain["EndpointConfiguration"]; endpoint != nil && endpoint != "REGIONAL" {
		return badResource(s.id, "EndpointConfiguration for Custom Domains must be one of ['REGIONAL'].")
	}
	config := object{"CertificateArn": certificate, "EndpointType": "REGIONAL"}
	for _, key := range []string{"OwnershipVerificationCertificateArn", "SecurityPolicy"} {
		if truthy(domain[key]) {
			config[key] = domain[key]
		}
	}
	props := object{
		"DomainName":               name,
		"DomainNameConfigurations": []any{config},
		"Tags":                     object{createdByTag: "SAM"},
	}
	if given := domain["MutualTlsAuthentication"]; truthy(given) {
		tls, ok := given.(object)
		if !ok {
			return badResource(s.id, "MutualTlsAuthentication must be a map with at least one of the following fields %s.", quoted(trustStoreKeys))
		}
		trusted, unknown := trustStore(tls)
		if len(unknown) > 0 { // AWS names the keys where it names the resource elsewhere
			return badResource(strings.Join(unknown, ","), "Available MutualTlsAuthentication fields are %s.", quoted(trustStoreKeys))
		}
		props["MutualTlsAuthentication"] = trusted
	}
	id := "ApiGatewayDomainNameV2" + hashOf(name)
	if _, err := s.add(id, "AWS::ApiGatewayV2::DomainName", props); err != nil {
		return err
	}
	t.refs.add(s.id, "DomainName", id)
	if err := s.addHTTPMappings(id, domain["BasePath"]); err != nil {
		return err
	}
	return t.addRecords(s, domain, id, "REGIONAL")
}

var trustStoreKeys = []string{"TruststoreUri", "TruststoreVersion"}

// trustStore gives the settings of mutual TLS that are given, and the unknown ones.
func trustStore(given object) (settings object, unknown []string) {
	settings = object{}
	for _, key := range sorted(given) {
		switch {
		case !slices.Contains(trustStoreKeys, key):
			unknown = append(unknown, key)
		case truthy(given[key]):
			settings[key] = given[key]
		}
	}
	return settings, unknown
}

var (
	badHTTPBasePath = regexp.MustCompile(`[^0-9a-zA-Z/\-_]`)
	basePathMarks   = strings.NewReplacer("-", "", "_", "", "/", "")
)

// addHTTPMappings leads base paths, or the whole domain, to the API's stage.
func (s *source) addHTTPMappings(domainID string, given any) error {
	mapping := func(id string, key any) error {
		_, err := s.add(s.id+id+"ApiMapping", "AWS::ApiGatewayV2::ApiMapping", object{
			"ApiId":         ref(s.id),
			"DomainName":    ref(domainID),
			"Stage":         ref(s.id + ".Stage"),
			"ApiMappingKey": key,
		})
		return err
	}
	paths := basePaths(given)
	if paths == nil {
		return mapping("", nil)
	}
	for _, item := range paths {
		path, ok := item.(string)
		if !ok {
			return badResource(s.id, "Basepath must be a string.")
		}
		if badHTTPBasePath.MatchString(path) {
			return badResource(s.id, "Invalid Basepath name provided.")
		}
		if err := mapping(basePathMarks.Replace(path), strings.Trim(path, "/")); err != nil {
			return err
		}
	}
	return nil
}

// basePaths gives BasePath as a list; nil when there is none.
func basePaths(given any) []any {
	switch v := given.(type) {
	case string:
		if v != "" {
			return []any{v}
		}
	case []any:
		if len(v) > 0 {
			return v
		}
	}
	return nil
}

// addRESTDomain adds the custom domain of a REST API.
func (t *transform) addRESTDomain(s *source, domain object) error {
	who := of(s.id)
	name, certificate := domain["DomainName"], domain["CertificateArn"]
	if err := who.given("Domain.DomainName", name); err != nil {
		return err
	}
	if err := who.given("Domain.CertificateArn", certificate); err != nil {
		return err
	}
	endpoint := "REGIONAL"
	if given := domain["EndpointConfiguration"]; given != nil {
		endpoint, _ = given.(string)
	}
	props := object{"DomainName": name, "CertificateArn": certificate}
	switch endpoint {
	case "REGIONAL":
		props = object{"DomainName": name, "RegionalCertificateArn": certificate}
	case "EDGE":
	case "PRIVATE":
		return notBuilt(s.id, "Domain.EndpointConfiguration PRIVATE")
	default:
		return badResource(s.id, "EndpointConfiguration for Custom Domains must be one of ['EDGE', 'REGIONAL', 'PRIVATE'].")
	}
	config := object{"Types": []any{endpoint}}
	if truthy(domain["IpAddressType"]) {
		config["IpAddressType"] = domain["IpAddressType"]
	}
	props["EndpointConfiguration"] = config
	if given := domain["MutualTlsAuthentication"]; truthy(given) {
		tls, err := who.mapping("Domain.MutualTlsAuthentication", given)
		if err != nil {
			return err
		}
		trusted, unknown := trustStore(tls)
		if len(unknown) > 0 {
			return badResource(s.id, "Available Domain.MutualTlsAuthentication fields are %s.", quoted(trustStoreKeys))
		}
		props["MutualTlsAuthentication"] = trusted
	}
	for _, key := range []string{"SecurityPolicy", "EndpointAccessMode", "OwnershipVerificationCertificateArn"} {
		if truthy(domain[key]) {
			props[key] = domain[key]
		}
	}
	id := "ApiGatewayDomainName" + hashOf(name)
	if truthy(domain["Policy"]) { // only private domains have one
		return badResource(id, "property Policy not defined for resource of type AWS::ApiGateway::DomainName")
	}
	if _, err := s.add(id, "AWS::ApiGateway::DomainName", props); err != nil {
		return err
	}
	t.refs.add(s.id, "DomainName", id)
	if err := s.addRESTMappings(id, domain); err != nil {
		return err
	}
	return t.addRecords(s, domain, id, endpoint)
}

// addRESTMappings leads base paths, or the whole domain, to the API's stage. Marks
// are taken out of base paths unless NormalizeBasePath is false.
func (s *source) addRESTMappings(domainID string, domain object) error {
	mapping := func(id string, path any) error {
		_, err := s.add(s.id+id+"BasePathMapping", "AWS::ApiGateway::BasePathMapping", object{
			"BasePath":   path,
			"DomainName": ref(domainID),
			"RestApiId":  ref(s.id),
			"Stage":      ref(s.id + ".Stage"),
		})
		return err
	}
	given := basePaths(domain["BasePath"])
	if given == nil {
		return mapping("", nil)
	}
	paths, err := of(s.id).texts("Domain.BasePath", given)
	if err != nil {
		return err
	}
	normalize, isGiven := domain["NormalizeBasePath"]
	for _, path := range paths {
		plain := strings.Map(func(r rune) rune {
			if alphanumeric(string(r)) {
				return r
			}
			return -1
		}, path)
		if !isGiven || truthy(normalize) {
			path = plain
		}
		if err := mapping(plain, path); err != nil {
			return err
		}
	}
	return nil
}

// addRecords adds the DNS records of Route53. The APIs of one hosted zone share
// one record set group, unless SeparateRecordSetGroup is set.
func (t *transform) addRecords(s *source, domain object, domainID, endpoint string) error {
	given := domain["Route53"]
	if given == nil {
		return nil
	}
	route53, err := of(s.id).mapping("Domain.Route53", given)
	if err != nil {
		return err
	}
	if route53["HostedZoneId"] == nil && route53["HostedZoneName"] == nil {
		return badResource(s.id, "HostedZoneId or HostedZoneName is required to enable Route53 support on Custom Domains.")
	}
	zone := route53["HostedZoneId"]
	if !truthy(zone) {
		zone = route53["HostedZoneName"]
	}
	id := "RecordSetGroup" + hashOf(zone)
	separate := s.kind == apiType && truthy(route53["SeparateRecordSetGroup"])
	if separate {
		if _, err := of(s.id).boolean("Domain.Route53.SeparateRecordSetGroup", route53["SeparateRecordSetGroup"]); err != nil {
			return err
		}
		id = "RecordSetGroup" + hashOf([]any{zone, domain["DomainName"]})
	}
	records := recordSets(domain, route53, domainID, endpoint)
	if group := t.zones[id]; group != nil && !separate {
		props := asMap(group["Properties"])
		props["RecordSets"] = append(props["RecordSets"].([]any), records...)
		return nil
	}

	props := object{"RecordSets": records, "HostedZoneId": route53["HostedZoneId"], "HostedZoneName": route53["HostedZoneName"]}
	if _, byID := route53["HostedZoneId"]; byID && s.kind == httpAPIType {
		delete(props, "HostedZoneName")
	}
	group, err := s.add(id, "AWS::Route53::RecordSetGroup", props)
	if !separate {
		t.zones[id] = group
	}
	return err
}

// recordSets gives the alias records of a domain, for IPv6 too when asked for.
func recordSets(domain, route53 object, domainID, endpoint string) []any {
	target := object{
		"HostedZoneId": getAtt(domainID, "RegionalHostedZoneId"),
		"DNSName":      getAtt(domainID, "RegionalDomainName"),
	}
	if endpoint == "EDGE" {
		target["HostedZoneId"] = "Z2FDTNDATAQYW2" // all CloudFront distributions
		target["DNSName"] = getAtt(domainID, "DistributionDomainName")
		if route53["DistributionDomainName"] != nil {
			target["DNSName"] = route53["DistributionDomainName"]
		}
	}
	if health := route53["EvaluateTargetHealth"]; health != nil {
		target["EvaluateTargetHealth"] = health
	}
	types := []string{"A"}
	if route53["IpV6"] == true {
		types = append(types, "AAAA")
	}
	records := []any{}
	for _, kind := range types {
		records = append(records, prune(object{
			"Name":          domain["DomainName"],
			"Type":          kind,
			"AliasTarget":   target,
			"Region":        route53["Region"],
			"SetIdentifier": route53["SetIdentifier"],
		}))
	}
	return records
}
