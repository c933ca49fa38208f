"""Does a training take less time with more workers, and does the model of scaling foresee by how much?"""
