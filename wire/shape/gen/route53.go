package main

// fixRoute53 corrects the one member whose name on the wire is not the model's:
// the answer to a refused change batch spells it with a capital.
func fixRoute53(m *model) {
	ms := m.Shapes["InvalidChangeBatch"].Members
	for i := range ms {
		if ms[i].name == "messages" {
			ms[i].LocationName = "Messages"
		}
	}
}
