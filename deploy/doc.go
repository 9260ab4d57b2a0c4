// Package deploy takes a folder with a CloudFormation or SAM template to a stack, here or
// on AWS: it builds and uploads what the template points at beside it, makes a
// change set, shows it, executes it and follows it to the end. It answers for no
// AWS API: it is a client, and uses public operations of CloudFormation, S3 and STS alone.
//
// What it takes along: the code of functions (AWS::Serverless::Function CodeUri,
// AWS::Lambda::Function Code), API definitions (DefinitionUri, BodyS3Location) and
// templates of nested stacks. Go source for a provided runtime is compiled, other folders are zipped, files
// go as they are. Artifacts are named by their content, so what is there already is not sent again.
//
// It leaves out container images, layers, builds with anything but the go command, and samconfig.toml.
package deploy
