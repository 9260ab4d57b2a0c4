// Command gen writes the tables of package shape, zz_<service>.go, from the
// trimmed service models in the folder models.
//
//	go run ./gen                          # models/*.json → zz_*.go
//	go run ./gen -trim <botocore/data>    # botocore's models → models/*.json
//
// It runs in the folder of package shape, as go generate does. A service is
// added by one line in the list below, one trim and one run.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
)

// services lists the models to generate. The version is botocore's folder.
var services = []service{
	{id: "acm", version: "2015-12-08", fix: fixACM},
	{id: "acm-pca", version: "2017-08-22", sdk: "acmpca"},
	{id: "apigateway", version: "2015-07-09"},
	{id: "apigatewayv2", version: "2018-11-29"},
	{id: "cloudformation", version: "2010-05-15"},
	{id: "iam", version: "2010-05-08"},
	{id: "lambda", version: "2015-03-31"},
	{id: "logs", version: "2014-03-28", sdk: "cloudwatchlogs"},
	{id: "route53", version: "2013-04-01"},
	{id: "s3", version: "2006-03-01", fix: fixS3},
	{id: "secretsmanager", version: "2017-10-17"},
	{id: "ssm", version: "2014-11-06"},
	{id: "sts", version: "2011-06-15"},
}

type service struct {
	id      string       // botocore's folder and the id of the table
	version string       // botocore's folder below that
	sdk     string       // folder of the Go SDK's service module; empty: id
	fix     func(*model) // what the public model does not say
}

func (s service) goPackage() string {
	if s.sdk != "" {
		return s.sdk
	}
	return s.id
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("gen: ")
	botocore := flag.String("trim", "", "botocore's data `folder`: write models/*.json from it, instead of tables")
	flag.Parse()
	if err := run(*botocore); err != nil {
		log.Fatal(err)
	}
}

func run(botocore string) error {
	for _, s := range services {
		if botocore != "" {
			if err := trim(botocore, s); err != nil {
				return fmt.Errorf("trim %s: %w", s.id, err)
			}
			continue
		}
		m, err := load(s)
		if err != nil {
			return fmt.Errorf("load %s: %w", s.id, err)
		}
		src, err := table(s, m)
		if err != nil {
			return fmt.Errorf("generate %s: %w", s.id, err)
		}
		if err := os.WriteFile("zz_"+s.goPackage()+".go", src, 0o644); err != nil {
			return err
		}
	}
	if botocore != "" {
		return nil
	}
	src, err := index()
	if err != nil {
		return err
	}
	return os.WriteFile("zz_services.go", src, 0o644)
}
