"""How the loss of training rows is computed in torch: rows laid out, packed ones kept apart, logits in chunks."""
