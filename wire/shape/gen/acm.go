package main

// fixACM adds the statuses that botocore's model leaves out; they are those of
// the SDK's recorded answers.
func fixACM(m *model) {
	m.Shapes["AccessDeniedException"].Error.HTTPStatusCode = 403
	for _, n := range []string{"InternalServerException"} {
		if s := m.Shapes[n]; s != nil {
			s.Error.HTTPStatusCode, s.Fault = 500, true
		}
	}
}
